/** What operators decide of a run in progress, as updates. A refused one says why, in one sentence. */
import { defineUpdate, setHandler } from '@temporalio/workflow';
import type { Settings } from '../config/changes.ts';
import type { RunConfig } from '../config/run.ts';
import { ARTIFACT_DAMAGED } from './failure.ts';
import { rewind, roundsOf, startOver, type Journal } from './journal.ts';

export interface RetryRequest {
  /** Redo from this round on. Default: what failed. */
  round?: number;
  /** Settings of the retried round and those after it. */
  settings?: Settings;
}

export const retryUpdate = defineUpdate<void, [RetryRequest]>('retry');
export const skipUpdate = defineUpdate<void>('skip');
export const stopUpdate = defineUpdate<void>('stop');
export const pauseUpdate = defineUpdate<void>('pause');
export const resumeUpdate = defineUpdate<void>('resume');

/**
 * Has the run `name` take decisions, by changing its journal. Handlers do not wait, so a decision is taken wholly before the next one is
 * looked at: of two operators at once, the second is told that there is nothing to decide any more.
 */
export function takeDecisions(name: string, config: RunConfig, journal: Journal): void {
  const refuseIf = (condition: boolean, reason: string) => {
    if (condition) throw new Error(`Run "${name}" ${reason}.`);
  };
  const refuseUnlessParked = () =>
    refuseIf(!journal.failure, 'has no failure to decide about: selm status tells where it is');
  const refuseAtEnd = () => {
    refuseIf(journal.asked === 'stop' && !journal.failure, 'is stopping already');
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
    // What cannot be published is left where it is.
    if (journal.failure?.step === 'publish') journal.outputSettled = true;
    if (journal.failure?.step === 'release') journal.releaseSettled = true;
    journal.asked = 'stop';
    delete journal.failure;
  };
  setHandler(stopUpdate, stop, { validator: refuseAtEnd });

  const pause = () => void (journal.asked = 'pause');
  setHandler(pauseUpdate, pause, {
    validator() {
      refuseAtEnd();
      refuseIf(journal.asked === 'pause', `is ${journal.state === 'paused' ? 'paused' : 'pausing'} already`);
      refuseIf(journal.failure !== undefined, 'waits for a decision and works on nothing: retry, skip or stop');
    },
  });

  const resume = () => void delete journal.asked;
  setHandler(resumeUpdate, resume, {
    validator: () => refuseIf(journal.asked !== 'pause', 'is not paused'),
  });
}

/** Does again what failed, or goes on from a round before it. */
export function goOn(journal: Journal, { round, settings }: RetryRequest): void {
  const from = round ?? (journal.start ? journal.round : 0);
  if (settings) journal.changes.push({ from, settings });
  if (journal.failure?.type === ARTIFACT_DAMAGED) startOver(journal);
  else if (round !== undefined) rewind(journal, round);
  delete journal.failure;
}
