/** The status of a run and of a round: small numbers and addresses, for queries, tables and reports. */
import type { Address } from '../artifacts/manifest.ts';
import type { Comparison } from '../evaluation/comparison.ts';
import type { DroppedPrompts } from '../activities/prompts/check.ts';
import type { LabelStats } from '../labelers/preferences.ts';
import type { Change } from '../config/changes.ts';
import type { Failure } from './failure.ts';

export const STEPS = ['sample', 'label', 'reference', 'optimize', 'evaluate'] as const;
export type StepName = (typeof STEPS)[number];

/** The progress of a step, in activities. */
export interface StepStatus {
  state: 'waiting' | 'running' | 'done' | 'failed';
  done: number;
  total: number;
  /** How many of those done reused an artifact in the store. */
  reused: number;
}

export interface RoundStatus {
  round: number;
  steps: Record<StepName, StepStatus>;
}

/** The result of a round. */
export interface RoundResult {
  round: number;
  /** The address of the policy that the round trained. */
  policy: string;
  accepted: boolean;
  /** Training changed nothing: the weights equal those of the policy that the round started from. */
  unchanged?: true;
  /** Why it is not accepted: a sentence for each limit of the gate that it exceeds, or that it is unchanged. */
  reasons: string[];
  /** Sentences that do not affect the gate's decision, such as signs of reward hacking. */
  warnings: string[];
  label: LabelStats;
  /** Means over the last tenth of the training steps. */
  training: Record<string, number>;
  /** Against the start policy, on the held-out prompts. */
  evaluation: Comparison;
  /** Win rate over the policy that the round started from, which the gate limits. */
  winRateOverPrevious: number;
  /** The same, scored by a labeler that training never sees: against the start policy, and over the reference policy. */
  secondJudge?: { evaluation: Comparison; winRateOverPrevious: number };
  /** The round's preferences, and the evaluation against the start policy. */
  artifacts: { preferences: Address; evaluation: Address };
}

export interface RunStatus {
  name: string;
  rounds: number;
  /** `parked`: something failed, and an operator decides how the run continues. */
  state: 'preparing' | 'running' | 'parked' | 'paused' | 'publishing' | 'done' | 'stopped';
  /** What an operator requested. It happens after the step that runs. */
  requested?: 'pause' | 'stop';
  /** Why the run is parked. */
  failure?: Failure;
  /** Settings that operators have changed since the run started. */
  changes?: Change[];
  /** Rounds that an operator has skipped. */
  skipped: number[];
  /** Time for which activities held GPU workers, in seconds, in rounds that have ended. */
  gpuSeconds: number;
  /** In US dollars, of a run with a budget. */
  spent?: { usd: number; of: number };
  /** Artifacts that were found damaged and made again: a sentence each. */
  repairs: string[];
  /** Prompts that `prepare` dropped. */
  dropped?: DroppedPrompts;
  /** Scores and lengths of the start policy's responses to the held-out prompts. */
  start?: Comparison;
  results: RoundResult[];
  /** The round in progress, or the last one. The status of its steps is a query of the round's own workflow. */
  round?: number;
  /** The address of the last accepted policy. */
  policy?: string;
  /** The version of the run's name that this policy was released as. */
  version?: number;
}
