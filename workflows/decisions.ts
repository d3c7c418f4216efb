/** Updates that operators send to control a run in progress. A rejected update has a reason, in one sentence. */
import { defineUpdate, setHandler } from '@temporalio/workflow';
import type { Settings } from '../config/changes.ts';
import type { RunConfig } from '../config/run.ts';
import { ARTIFACT_DAMAGED } from './failure.ts';
import { rewind, roundsOf, startOver, type Journal } from './journal.ts';

export interface RetryRequest {
  /** The first round to repeat. Default: the failed stage. */
  round?: number;
  /** New settings for the retried round and later rounds. */
  settings?: Settings;
}

export const retryUpdate = defineUpdate<void, [RetryRequest]>('retry');
export const skipUpdate = defineUpdate<void>('skip');
export const stopUpdate = defineUpdate<void>('stop');
export const pauseUpdate = defineUpdate<void>('pause');
export const resumeUpdate = defineUpdate<void>('resume');

/**
 * Registers the handlers of the run `name`, which change its journal. Handlers do not wait, so each update is complete before the next
 * one is validated: if two operators decide at the same time, the second update is rejected.
 */
export function takeDecisions(name: string, config: RunConfig, journal: Journal): void {
  const refuseIf = (condition: boolean, reason: string) => {
    if (condition) throw new Error(`Run "${name}" ${reason}.`);
  };
  const refuseUnlessParked = () =>
    refuseIf(!journal.failure, 'has no failure to decide about: selm status shows its state');
  const refuseAtEnd = () => {
    refuseIf(journal.requested === 'stop' && !journal.failure, 'is stopping already');
    refuseIf(journal.state === 'publishing', 'is publishing its policy and ends by itself');
  };

  const retry = (request: RetryRequest) => {
    journal.retries = 0;
    goOn(journal, request);
  };
  setHandler(retryUpdate, retry, {
    validator({ round }) {
      refuseUnlessParked();
      const last = Math.min(journal.round, roundsOf(config, journal));
      refuseIf(round !== undefined && !journal.start, 'has not begun its first round: retry without --round');
      refuseIf(
        round !== undefined && !(Number.isInteger(round) && round >= 1 && round <= last),
        `has come to round ${last}: --round can be 1 to ${last}, not ${round}`,
      );
    },
  });

  const skip = () => {
    journal.skipped.push(journal.round++);
    journal.retries = 0;
    delete journal.failure;
  };
  setHandler(skipUpdate, skip, {
    validator() {
      refuseUnlessParked();
      refuseIf(journal.failure?.round === undefined, `cannot skip ${journal.failure?.step}: retry or stop`);
    },
  });

  const stop = () => {
    // If publishing fails, the policy remains in the store.
    if (journal.failure?.step === 'publish') journal.outputSettled = true;
    if (journal.failure?.step === 'release') journal.releaseSettled = true;
    journal.requested = 'stop';
    delete journal.failure;
  };
  setHandler(stopUpdate, stop, { validator: refuseAtEnd });

  const pause = () => void (journal.requested = 'pause');
  setHandler(pauseUpdate, pause, {
    validator() {
      refuseAtEnd();
      refuseIf(journal.requested === 'pause', `is ${journal.state === 'paused' ? 'paused' : 'pausing'} already`);
      refuseIf(journal.failure !== undefined, 'waits for a decision already: retry, skip or stop');
    },
  });

  const resume = () => void delete journal.requested;
  setHandler(resumeUpdate, resume, {
    validator: () => refuseIf(journal.requested !== 'pause', 'is not paused'),
  });
}

/** Repeats the failed stage, or continues from an earlier round. */
export function goOn(journal: Journal, { round, settings }: RetryRequest): void {
  const from = round ?? (journal.start ? journal.round : 0);
  if (settings) journal.changes.push({ from, settings });
  if (journal.failure?.type === ARTIFACT_DAMAGED) startOver(journal);
  else if (round !== undefined) rewind(journal, round);
  delete journal.failure;
}
