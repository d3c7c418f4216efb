/** The status of a run and of a round: numbers and addresses, for queries, tables and reports. */
import type { Address } from '../artifacts/manifest.ts';
import type { Comparison } from '../evaluation/comparison.ts';
import type { DroppedPrompts } from '../activities/prompts/request.ts';
import type { BenchmarkRow } from '../evaluation/benchmarks/result.ts';
import type { LabelStats } from '../labelers/preferences.ts';
import type { Change } from '../config/changes.ts';
import type { DecisionLog } from './decision-log.ts';
import type { Failure } from './failure.ts';

export const STEPS = ['sample', 'label', 'reference', 'optimize', 'evaluate'] as const;
export type StepName = (typeof STEPS)[number];

/** The progress of a step, in activities. */
export interface StepStatus {
  state: 'waiting' | 'running' | 'done' | 'failed';
  done: number;
  total: number;
  /** How many of the finished activities reused a cached artifact. */
  reused: number;
}

/** How far the voting of a round is. */
export interface VotingStatus {
  round: number;
  questions: Address;
  /** The number of blocks. */
  blocks: number;
  /** The votes that the round asks for. */
  asked: number;
  /** The votes on its questions that are in, as of every tenth answer of a block. */
  votes: number;
  /** The votes that skips have used up: they will not come. */
  usedUp: number;
  /** When the first of them was given: ISO 8601. */
  first?: string;
  /** How many of these votes are from whom. */
  byPerson: Record<string, number>;
  /** When the round goes on, or parks: ISO 8601. */
  deadline?: string;
  /** No question is given any more. Those that people hold can still be answered. */
  closing?: true;
}

export interface RoundStatus {
  round: number;
  steps: Record<StepName, StepStatus>;
  /** How far its voting is, while the round waits for votes. */
  voting?: VotingStatus;
}

/** The result of a round. */
export interface RoundResult {
  round: number;
  /** The address of the policy that the round trained. */
  policy: string;
  accepted: boolean;
  /** Whether training changed nothing: the weights equal those of the reference policy. */
  unchanged?: true;
  /** Why the round is not accepted: a sentence for each exceeded limit of the gate, or for unchanged weights. */
  reasons: string[];
  /** Warnings, which do not affect the gate's decision, such as signs of reward hacking. */
  warnings: string[];
  label: LabelStats;
  /** Means over the last tenth of the training steps. */
  training: Record<string, number>;
  /** The comparison with the start policy, on the held-out prompts. */
  evaluation: Comparison;
  /** Win rate over the reference policy, which the gate limits. */
  winRateOverPrevious: number;
  /** The same by a second labeler that training never uses: over the start policy, and over the reference policy. */
  secondJudge?: { evaluation: Comparison; winRateOverPrevious: number };
  /** Addresses of the round's preferences and of the evaluation against the start policy. */
  artifacts: { preferences: Address; evaluation: Address };
}

/** A policy's result in a benchmark. */
export interface MeasuredBenchmark {
  /** The round that trained the policy. 0 for the start policy. */
  round: number;
  policy: Address;
  benchmark: string;
  /** The artifact. Absent if an operator has skipped the benchmark. */
  address?: Address;
  rows: BenchmarkRow[];
}

export interface RunStatus extends DecisionLog {
  name: string;
  rounds: number;
  /** What computes the run, and what computing it again gives: sentences. Absent in the status of earlier versions of selm. */
  promise?: string;
  /** `parked`: a stage failed, and an operator decides how the run continues. */
  state: 'preparing' | 'running' | 'parked' | 'paused' | 'publishing' | 'done' | 'stopped';
  /** What an operator requested. It takes effect after the step in progress. */
  requested?: 'pause' | 'stop';
  /** Whether the gate has requested the stop (`gate.onFail: stop`), and not an operator. */
  stoppedByGate?: true;
  /** Why the run is parked. */
  failure?: Failure;
  /** How far the voting of the round in progress is, while it waits for people's votes. */
  voting?: VotingStatus;
  /** Votes that came too late for their round. The next one uses them. */
  lateVotes?: number;
  /** Settings that operators have changed since the run started. */
  changes?: Change[];
  /** Rounds that an operator has skipped. */
  skipped: number[];
  /** GPU worker time of finished rounds, in seconds. */
  gpuSeconds: number;
  /** In US dollars, for a run with a budget. */
  spent?: { usd: number; of: number };
  /** Damaged artifacts that were computed again: a sentence each. */
  repairs: string[];
  /** Prompts that `prepare` dropped. */
  dropped?: DroppedPrompts;
  /** Scores and lengths of the start policy's responses to the held-out prompts. */
  start?: Comparison;
  results: RoundResult[];
  /** Results of benchmarks (`evaluate.benchmarks`), in the order in which they were done. */
  benchmarks?: MeasuredBenchmark[];
  /** The round in progress, or the last one. Query the round's workflow for the status of its steps. */
  round?: number;
  /** The address of the last accepted policy. */
  policy?: string;
  /** The version as which this policy was released. */
  version?: number;
  /** Why the policy was not written to the run's output folder: a sentence, with what to do. */
  publication?: string;
}
