/** What a run remembers: all that it needs to go on, in small numbers and addresses. */
import type { Comparison } from '../evaluation/comparison.ts';
import type { Prepared } from '../activities/prepare.ts';
import type { PromptChecks } from '../activities/recheck.ts';
import type { Address } from '../artifacts/manifest.ts';
import type { Answers } from './answers.ts';
import { configOfRound, type Change } from '../config/changes.ts';
import type { RunConfig } from '../config/run.ts';
import type { Failure } from './failure.ts';
import type { RoundOutput } from './round.ts';
import { usdOf } from './spending.ts';
import type { RunStatus } from './status.ts';

export interface Journal {
  /** Whether the run goes on from the last release of its name, with prompts that are not used yet. */
  continues: boolean;
  state: RunStatus['state'];
  asked?: RunStatus['asked'];
  prepared?: Prepared;
  /** The settings that the prompts were checked by. A run that an earlier version of selm has prepared has none. */
  checkedBy?: PromptChecks;
  start?: { answers: Answers; summary: Comparison };
  /** The next round, or the one in progress. */
  round: number;
  done: RoundOutput[];
  skipped: number[];
  changes: Change[];
  /** Why the run is parked. */
  failure?: Failure;
  /** Automatic retries since the last step that went well. */
  retries: number;
  /** Of GPU workers. */
  gpuSeconds: number;
  repairs: string[];
  /** Whether the output folder is written, or given up. */
  outputSettled: boolean;
  /** Whether the run's name has a new version, or that is given up. */
  releaseSettled: boolean;
  version?: number;
}

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

/** Rounds the run has: fewer than configured where there are not prompts for all. */
export const roundsOf = ({ rounds }: RunConfig, { prepared }: Journal): number => prepared?.rounds.length ?? rounds;

/** The answers of the last accepted policy; before the first round, the start's. */
export const accepted = ({ done, start }: Journal): Answers =>
  done.findLast(({ result }) => result.accepted)?.answers ?? start!.answers;

/** The last accepted policy, once the start's is known. */
export const policyOf = (journal: Journal): Address | undefined =>
  journal.start ? accepted(journal).policy : journal.prepared?.policy;

/** Goes back to before a round. What was made stays in the artifact store: only what has changed is made again. */
export function rewind(journal: Journal, round: number): void {
  journal.round = round;
  journal.done = journal.done.filter(({ result }) => result.round < round);
  journal.skipped = journal.skipped.filter((skipped) => skipped < round);
}

/** Goes back to the very beginning, so that every step looks after its artifact, and makes again what is damaged. */
export function startOver(journal: Journal): void {
  delete journal.prepared;
  delete journal.checkedBy;
  delete journal.start;
  journal.round = 1;
  journal.done = [];
}

export function statusOf(name: string, config: RunConfig, journal: Journal): RunStatus {
  const rounds = roundsOf(config, journal);
  const { version, state, asked, start, round, done, skipped, failure, repairs, gpuSeconds, changes } = journal;
  const { budget } = configOfRound(config, journal.changes, round);
  const policy = policyOf(journal);
  return {
    name,
    rounds,
    state,
    ...(asked && { asked }),
    ...(start && { start: start.summary, round: Math.min(round, rounds) }),
    ...(policy !== undefined && { policy }),
    ...(version !== undefined && { version }),
    // A run of an earlier version of selm has prepared without counting.
    ...(journal.prepared?.dropped && { dropped: journal.prepared.dropped }),
    ...(failure && { failure }),
    ...(changes.length > 0 && { changes }),
    results: done.map(({ result }) => result),
    skipped,
    repairs,
    gpuSeconds,
    ...(budget && { spent: { usd: usdOf(gpuSeconds, budget), of: budget.usd } }),
  };
}
