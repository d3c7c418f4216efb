/** Updates that operators send to control a run in progress. A rejected update has a reason, in one sentence. */
import { defineUpdate, setHandler } from '@temporalio/workflow';
import type { Settings } from '../config/changes.ts';
import type { RunConfig } from '../config/run.ts';
import { skipBenchmark } from './benchmarks.ts';
import { describeDecision, logDecision, type Decision } from './decision-log.ts';
import { ARTIFACT_DAMAGED, BENCHMARKS, VOTES_MISSING } from './failure.ts';
import { rewind, roundsOf, startOver, type Journal } from './journal.ts';
import type { RunStatus } from './status.ts';

export interface DecisionRequest {
  /** The person who decides. */
  by?: string;
  /** The failure that the person has seen, by its `since`. The decision is refused if it is no longer the run's failure. */
  about?: string;
}

export interface RetryRequest extends DecisionRequest {
  /** The first round to repeat. Default: the failed stage. */
  round?: number;
  /** New settings for the retried round and later rounds. */
  settings?: Settings;
}

export const retryUpdate = defineUpdate<void, [RetryRequest]>('retry');
export const skipUpdate = defineUpdate<void, [DecisionRequest]>('skip');
export const stopUpdate = defineUpdate<void, [DecisionRequest]>('stop');
export const pauseUpdate = defineUpdate<void, [DecisionRequest]>('pause');
export const resumeUpdate = defineUpdate<void, [DecisionRequest]>('resume');

/** The part of a run's journal, and of its status, that decides which decisions are possible. */
type Situation = Pick<RunStatus, 'state' | 'requested' | 'stoppedByGate' | 'failure' | 'voting' | 'decisions'>;

/** Why a run does not accept a decision: the predicate of a sentence about the run. Undefined if it does. */
export function refusalOf(decision: Decision, situation: Situation): string | undefined {
  const { state, requested, failure, voting } = situation;
  if (state === 'done' || state === 'stopped') return 'has ended; selm run starts it again';
  switch (decision) {
    case 'retry':
      return failure ? undefined : noFailure(situation);
    case 'skip':
      if (!failure) return noFailure(situation);
      return failure.round === undefined && failure.step !== BENCHMARKS
        ? `cannot skip ${failure.step}: retry or stop`
        : undefined;
    case 'stop':
      // After the gate's stop, benchmarks are measured, which an operator can end.
      return refusalAtEnd(situation.stoppedByGate ? { ...situation, requested: undefined } : situation);
    case 'pause':
      if (requested === 'pause') return `is ${state === 'paused' ? 'paused' : 'pausing'} already`;
      return refusalAtEnd(situation) ?? (failure && 'waits for a decision already: retry, skip or stop');
    case 'resume':
      return requested === 'pause' ? undefined : 'is not paused';
    case 'close voting':
      if (failure?.type === VOTES_MISSING) return undefined;
      if (!voting) return 'does not wait for votes: selm status shows its state';
      return voting.closing && 'is closing its voting already';
  }
}

function noFailure({ decisions }: Situation): string {
  const last = decisions?.at(-1);
  return `has no failure to decide about${last ? ` (last decision: ${describeDecision(last)})` : ''}: selm status shows its state`;
}

function refusalAtEnd({ state, requested, failure }: Situation): string | undefined {
  if (requested === 'stop' && !failure) return 'is stopping already';
  return state === 'publishing' ? 'is publishing its policy and ends by itself' : undefined;
}

/** Throws the reason, in one sentence, if a run does not accept a decision, or has failed again since the person looked at it. */
export function checkDecision(name: string, journal: Journal, decision: Decision, { about }: DecisionRequest): void {
  refuse(name, refusalOf(decision, journal));
  if (about === undefined || about === journal.failure?.since) return;
  refuse(name, journal.failure ? 'has failed again since: look at the new failure first' : noFailure(journal));
}

/** Throws the reason why the run `name` does not accept an update, if there is one. */
export function refuse(name: string, reason: string | undefined): void {
  if (reason !== undefined) throw new Error(`Run "${name}" ${reason}.`);
}

/**
 * Registers the handlers of the run `name`, which change its journal. Handlers do not wait, so each update is complete before the next
 * one is validated: if two operators decide at the same time, the second update is rejected.
 */
export function takeDecisions(name: string, config: RunConfig, journal: Journal): void {
  // Commands of earlier versions of selm send no request.
  const validator =
    (decision: Decision) =>
    (request: DecisionRequest = {}) =>
      checkDecision(name, journal, decision, request);
  /** The round that is decided about: the one in progress, if there is one. */
  const round = () => (journal.start ? Math.min(journal.round, roundsOf(config, journal)) : undefined);

  const retry = (request: RetryRequest) => {
    logDecision(journal, 'retry', { ...request, round: request.round ?? round() });
    journal.retries = 0;
    goOn(journal, request);
  };
  setHandler(retryUpdate, retry, {
    validator(request) {
      checkDecision(name, journal, 'retry', request);
      if (request.round === undefined) return;
      const last = Math.min(journal.round, roundsOf(config, journal));
      if (!journal.start) refuse(name, 'has not begun its first round: retry without --round');
      if (!(Number.isInteger(request.round) && request.round >= 1 && request.round <= last))
        refuse(name, `has come to round ${last}: --round can be 1 to ${last}, not ${request.round}`);
    },
  });

  const skip = ({ by }: DecisionRequest = {}) => {
    logDecision(journal, 'skip', { by, round: round() });
    if (journal.failure?.step === BENCHMARKS) skipBenchmark(config, journal);
    else journal.skipped.push(journal.round++);
    journal.retries = 0;
    delete journal.failure;
  };
  setHandler(skipUpdate, skip, { validator: validator('skip') });

  const stop = ({ by }: DecisionRequest = {}) => {
    logDecision(journal, 'stop', { by, round: round() });
    // If publishing fails, the policy remains in the store.
    if (journal.failure?.step === 'publish') journal.outputSettled = true;
    if (journal.failure?.step === 'release') journal.releaseSettled = true;
    journal.requested = 'stop';
    delete journal.stoppedByGate;
    // A repair that fails ends, too.
    if (journal.failure) delete journal.repairing;
    delete journal.failure;
  };
  setHandler(stopUpdate, stop, { validator: validator('stop') });

  const pause = ({ by }: DecisionRequest = {}) => {
    logDecision(journal, 'pause', { by, round: round() });
    journal.requested = 'pause';
  };
  setHandler(pauseUpdate, pause, { validator: validator('pause') });

  const resume = ({ by }: DecisionRequest = {}) => {
    logDecision(journal, 'resume', { by, round: round() });
    delete journal.requested;
  };
  setHandler(resumeUpdate, resume, { validator: validator('resume') });
}

/** Repeats the failed stage, or continues from an earlier round. */
export function goOn(journal: Journal, { round, settings }: RetryRequest): void {
  const from = round ?? (journal.start ? journal.round : 0);
  if (settings) journal.changes.push({ from, settings });
  if (round !== undefined && journal.requested === 'stop') {
    delete journal.requested;
    delete journal.stoppedByGate;
  }
  if (journal.failure?.type === ARTIFACT_DAMAGED) startOver(journal);
  else if (round !== undefined) rewind(journal, round);
  delete journal.failure;
}
