/** Quality of a policy's implicit reward, r(x, y) = beta (log pi(y | x) - log pi_ref(y | x)), as a reward model (`selm diagnose`). */
import type { ScoreResult } from '../engine/protocol/jobs.ts';
import { mean } from '../data/numbers.ts';
import { standardDeviation } from './statistics.ts';

/** Log-probabilities of the same responses under one policy. */
export interface DiagnosedScores {
  chosen: ScoreResult;
  rejected: ScoreResult;
  /** Responses that were not in the preferences. */
  unseen: ScoreResult;
}

/** Mean, and sample standard deviation of two values or more. */
export interface Scale {
  mean: number;
  sd?: number;
}

/** The quality of a policy's implicit reward. */
export interface Diagnosis {
  preferences: number;
  /** Share of preferences whose chosen response has the greater reward; a tie does not count. */
  accuracy: number;
  chosen: Scale;
  rejected: Scale;
  margin: Scale;
  /** Change of the unseen responses' log-probabilities by training, in nats. Absent if there are none. */
  drift?: {
    answers: number;
    /** Total change divided by total tokens. */
    perToken: number;
    perAnswer: number;
    /** Share of responses whose log-probability has increased. */
    raised: number;
  };
}

/** Compares log-probabilities under a policy with those under its reference policy; needs at least one preference. */
export function diagnose(policy: DiagnosedScores, reference: DiagnosedScores, beta: number): Diagnosis {
  const changes = (kind: keyof DiagnosedScores) => policy[kind].map(({ logp }, i) => logp - reference[kind][i].logp);
  const [chosen, rejected] = (['chosen', 'rejected'] as const).map((kind) => changes(kind).map((c) => beta * c));
  const margins = chosen.map((reward, i) => reward - rejected[i]);
  const unseen = changes('unseen');
  const tokens = policy.unseen.reduce((total, score) => total + score.tokens, 0);
  return {
    preferences: margins.length,
    accuracy: mean(margins.map((margin) => Number(margin > 0))),
    chosen: scale(chosen),
    rejected: scale(rejected),
    margin: scale(margins),
    ...(unseen.length > 0 && {
      drift: {
        answers: unseen.length,
        perToken: unseen.reduce((total, change) => total + change, 0) / tokens,
        perAnswer: mean(unseen),
        raised: mean(unseen.map((change) => Number(change > 0))),
      },
    }),
  };
}

const scale = (values: number[]): Scale => ({
  mean: mean(values),
  ...(values.length > 1 && { sd: standardDeviation(values) }),
});
