/** What a run tells of itself: small numbers and addresses, for queries, tables and reports. */
import type { Address } from '../artifacts/manifest.ts';
import type { Comparison } from '../evaluation/comparison.ts';
import type { DroppedPrompts } from '../activities/prompts/check.ts';
import type { LabelStats } from '../labelers/preferences.ts';
import type { Change } from '../config/changes.ts';
import type { Failure } from './failure.ts';

export const STEPS = ['sample', 'label', 'reference', 'optimize', 'evaluate'] as const;
export type StepName = (typeof STEPS)[number];

/** Of a step: activities done, of how many. */
export interface StepStatus {
  state: 'waiting' | 'running' | 'done' | 'failed';
  done: number;
  total: number;
  /** How many of those done were found made. */
  reused: number;
}

export interface RoundStatus {
  round: number;
  steps: Record<StepName, StepStatus>;
}

/** What a round came to. */
export interface RoundResult {
  round: number;
  /** The policy it trained. */
  policy: string;
  accepted: boolean;
  /** That its weights are those of the policy it started from: training changed nothing. */
  unchanged?: true;
  /** Why it is not accepted: a sentence for each limit of the gate that it does not keep, or that it is unchanged. */
  reasons: string[];
  /** What does not decide, but should be known, such as signs of reward hacking. */
  warnings: string[];
  label: LabelStats;
  /** Means over the last tenth of the training steps. */
  training: Record<string, number>;
  /** Against the run's start, on the held-out prompts. */
  evaluation: Comparison;
  /** Over the policy the round started from: what the gate looks at. */
  winRateOverPrevious: number;
  /** The same by a judge that training never sees: against the run's start, and over the policy the round started from. */
  secondJudge?: { evaluation: Comparison; winRateOverPrevious: number };
  /** Where the round's preferences, and the evaluation against the start, can be read. */
  artifacts: { preferences: Address; evaluation: Address };
}

export interface RunStatus {
  name: string;
  rounds: number;
  /** `parked`: something failed, and an operator decides how it goes on. */
  state: 'preparing' | 'running' | 'parked' | 'paused' | 'publishing' | 'done' | 'stopped';
  /** What happens after the step under way. */
  asked?: 'pause' | 'stop';
  /** Why it is parked. */
  failure?: Failure;
  /** Settings that operators have changed on the way. */
  changes?: Change[];
  /** Rounds that an operator has given up. */
  skipped: number[];
  /** That its activities have held GPU workers, in rounds that have ended. */
  gpuSeconds: number;
  /** In US dollars, where it has a budget. */
  spent?: { usd: number; of: number };
  /** Artifacts that were found damaged and made again: a sentence each. */
  repairs: string[];
  /** Prompts that the run leaves out. */
  dropped?: DroppedPrompts;
  /** The start policy's answers to the held-out prompts. */
  start?: Comparison;
  results: RoundResult[];
  /** The round in progress, or the last. Its steps are a query of its own workflow. */
  round?: number;
  /** The last accepted policy. */
  policy?: string;
  /** The version of the run's name that it has become. */
  version?: number;
}
