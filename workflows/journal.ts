/** The state of a run between its stages. It contains only numbers and addresses, and is passed to the next execution. */
import type { Comparison } from '../evaluation/comparison.ts';
import type { Prepared } from '../activities/prepare.ts';
import type { PromptChecks } from '../activities/recheck.ts';
import type { Address } from '../artifacts/manifest.ts';
import type { Answers } from './answers.ts';
import { configOfRound, type Change } from '../config/changes.ts';
import type { RunConfig } from '../config/run.ts';
import type { DecisionLog } from './decision-log.ts';
import type { Failure } from './failure.ts';
import type { RoundOutput } from './round.ts';
import { usdOf } from './spending.ts';
import type { LateVote } from './people/late.ts';
import type { MeasuredBenchmark, RunStatus, VotingStatus } from './status.ts';
import { describePromise } from '../engine/protocol/compute.ts';

export interface Journal extends DecisionLog {
  /** Whether the run starts from the last release of its name, and excludes the prompts of all its releases. */
  continues: boolean;
  state: RunStatus['state'];
  requested?: RunStatus['requested'];
  prepared?: Prepared;
  /** The settings with which the prompts were checked. Undefined in runs that an earlier version of selm prepared. */
  checkedBy?: PromptChecks;
  start?: { answers: Answers; summary: Comparison };
  /** The next round, or the one in progress. */
  round: number;
  /** The round at which damage was found. The rounds before it run again, with the artifacts that are there. */
  repairing?: number;
  done: RoundOutput[];
  skipped: number[];
  /** Results of benchmarks, in the order in which they were done. */
  benchmarks?: MeasuredBenchmark[];
  /** Whether the gate has stopped the run (`gate.onFail: stop`), and not an operator. */
  stoppedByGate?: true;
  changes: Change[];
  /** Why the run is parked. */
  failure?: Failure;
  /** How far the voting of the round in progress is, while it waits for votes. */
  voting?: VotingStatus;
  /** What was asked in the last voting. Absent once its round has its votes. */
  openVoting?: { round: number; questions: Address; blocks: number };
  /** The questions of the last voting that an operator has closed: its round goes on with the votes that are in, also if it runs again. */
  closeVoting?: Address;
  /** Votes that came when their round had its votes, and the round that uses each, once it has begun. */
  lateVotes?: (LateVote & { round?: number })[];
  /** Automatic retries since the last stage that succeeded. */
  retries: number;
  /** GPU worker time of activities, in seconds. */
  gpuSeconds: number;
  /** Damaged artifacts that were computed again: a sentence each. */
  repairs: string[];
  /** Why the output folder was not written: a sentence, with what to do. */
  publication?: string;
  /** Whether the output folder has been written, has failed for good, or was skipped by an operator. */
  outputSettled: boolean;
  /** Whether the release has been made, or skipped by an operator. */
  releaseSettled: boolean;
  /** The version of the run's name that the release became. */
  version?: number;
}

/** The journal of a new run. */
export const newJournal = (continues = false): Journal => ({
  continues,
  state: 'preparing',
  round: 1,
  done: [],
  skipped: [],
  changes: [],
  retries: 0,
  gpuSeconds: 0,
  repairs: [],
  outputSettled: false,
  releaseSettled: false,
});

/** A journal of earlier versions of selm, which may have `requested` under its former name `asked`. */
type EarlierJournal = Journal & { asked?: Journal['requested'] };

/** Converts the journal that an execution starts with to the current names. */
export function currentJournal({ asked, ...journal }: EarlierJournal): Journal {
  return { ...(asked && { requested: asked }), ...journal };
}

/** The round in progress, or the next one. 0 before the start policy has been measured. */
export const currentRound = ({ start, round }: Journal): number => (start ? round : 0);

/** Whether the run stops now. During a repair a stop waits until the rounds are done again, which would otherwise be lost. */
export const isStopping = (journal: Journal): boolean =>
  journal.requested === 'stop' && currentRound(journal) >= (journal.repairing ?? 0);

/** The number of rounds, which is lower than configured if there are not enough prompts. */
export const roundsOf = ({ rounds }: RunConfig, { prepared }: Journal): number => prepared?.rounds.length ?? rounds;

/** The held-out answers of the last accepted policy, or of the start policy if none was accepted. */
export const accepted = ({ done, start }: Journal): Answers =>
  done.findLast(({ result }) => result.accepted)?.answers ?? start!.answers;

/** The last accepted policy, or the start policy. Undefined until `prepare` has imported it. */
export const policyOf = (journal: Journal): Address | undefined =>
  journal.start ? accepted(journal).policy : journal.prepared?.policy;

/** Returns to the beginning of a round. Artifacts stay in the store, so only changed steps are computed again. */
export function rewind(journal: Journal, round: number): void {
  delete journal.repairing;
  journal.round = round;
  journal.done = journal.done.filter(({ result }) => result.round < round);
  journal.skipped = journal.skipped.filter((skipped) => skipped < round);
  if (journal.benchmarks) journal.benchmarks = journal.benchmarks.filter((measured) => measured.round < round);
}

/** Returns to the beginning of the run. Steps then reuse their artifacts, and only damaged ones are computed again. */
export function startOver(journal: Journal): void {
  journal.repairing = Math.max(journal.repairing ?? 0, currentRound(journal));
  delete journal.prepared;
  delete journal.checkedBy;
  delete journal.start;
  // What an operator has skipped stays skipped: rounds and benchmarks.
  if (journal.benchmarks) journal.benchmarks = journal.benchmarks.filter(({ address }) => address === undefined);
  journal.round = 1;
  journal.done = [];
}

const promiseOf = ({ sample, ...compute }: RunConfig): string => {
  const sampler = sample.server ? 'A server' : sample.backend === 'vllm' && 'vLLM';
  return `${describePromise(compute)}${sampler ? ` ${sampler} samples the responses, which are not computed again.` : ''}`;
};

/** The status of a run. @param name the run's name */
export function statusOf(name: string, config: RunConfig, journal: Journal): RunStatus {
  const rounds = roundsOf(config, journal);
  const { publication, version, state, requested, start, round, done, skipped, failure, repairs, gpuSeconds, changes } =
    journal;
  const { decisions, earlierDecisions } = journal;
  const { budget } = configOfRound(config, journal.changes, round);
  const policy = policyOf(journal);
  return {
    name,
    rounds,
    promise: promiseOf(config),
    state,
    ...(requested && { requested }),
    ...(journal.stoppedByGate && { stoppedByGate: true }),
    ...(start && { start: start.summary, round: Math.min(round, rounds) }),
    ...(policy !== undefined && { policy }),
    ...(version !== undefined && { version }),
    ...(publication !== undefined && { publication }),
    // Undefined in runs of versions that did not count dropped prompts.
    ...(journal.prepared?.dropped && { dropped: journal.prepared.dropped }),
    ...(failure && { failure }),
    ...(journal.voting && { voting: journal.voting }),
    ...(journal.lateVotes && { lateVotes: journal.lateVotes.length }),
    ...(changes.length > 0 && { changes }),
    ...(decisions && { decisions }),
    ...(earlierDecisions !== undefined && { earlierDecisions }),
    ...(journal.benchmarks && { benchmarks: journal.benchmarks }),
    results: done.map(({ result }) => result),
    skipped,
    repairs,
    gpuSeconds,
    ...(budget && { spent: { usd: usdOf(gpuSeconds, budget), of: budget.usd } }),
  };
}
