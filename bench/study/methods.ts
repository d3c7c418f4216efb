/** The methods of the study: one loss with different weights and responses in its last term. */
import type { z } from 'zod';
import type { objectiveFields } from '../../engine/protocol/settings.ts';

/** A method of the study. */
export interface Method {
  name: string;
  /** Without beta: all methods use the beta of the quickstart. */
  objective: z.input<typeof objectiveFields>;
  /** alpha in SELM's notation of the loss. */
  alpha: number;
  /** The policy that sampled the response in the loss's last term. */
  answerOf: string;
}

const ROUND = 'the policy that the round starts from';
const START = "the run's start policy";

/** beta of the quickstart, and TRL's default for XPO. */
export const BETA = 0.1;
/** alpha of XPO: TRL's default. */
const XPO_ALPHA = 1e-5;

/** The method that all others are compared with. */
export const BASELINE = 'dpo';

export const METHODS: Method[] = [
  { name: BASELINE, objective: { name: 'dpo' }, alpha: 0, answerOf: '' },
  { name: 'selm 0.01', objective: { name: 'selm', alpha: 0.01 }, alpha: 0.01, answerOf: ROUND },
  { name: 'selm 0.1', objective: { name: 'selm', alpha: 0.1 }, alpha: 0.1, answerOf: ROUND },
  { name: 'xpo', objective: { name: 'xpo', alpha: XPO_ALPHA }, alpha: XPO_ALPHA / BETA, answerOf: START },
  { name: 'vpo 0.1', objective: { name: 'vpo', alpha: 0.1 }, alpha: 0.1, answerOf: START },
];
