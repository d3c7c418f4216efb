/** Errors of Temporal, and of runs on it. */
import { ServiceError } from '@temporalio/client';
import { showValue, type Difference } from '../../config/changes.ts';
import { InputError } from '../../data/errors.ts';

/** Temporal cannot be reached, does not answer, or its embedded server cannot be installed or started. */
export class TemporalFailed extends Error {
  override readonly name = 'TemporalFailed';
}

/** There is no run of this name. */
export class NoRun extends InputError {
  constructor(name: string) {
    super(`There is no run named "${name}".`);
  }
}

/** No worker answers for a run in progress. */
export class RunUnanswered extends Error {
  override readonly name = 'RunUnanswered';
  /** Whether there is a worker, of another version than the run. */
  readonly isOtherVersion: boolean;

  constructor(run: string, cause: unknown) {
    const isOtherVersion = CANNOT_REPLAY.test(reasonOf(cause));
    const problem = isOtherVersion
      ? 'cannot be replayed by this version of selm: ' +
        'continue with the version that started it, or restart it, which reuses its artifacts (selm run FILE --restart)'
      : 'does not answer: start a worker for it (selm worker --role control; on this machine, selm run FILE)';
    super(`Run "${run}" ${problem}.`, { cause });
    this.isOtherVersion = isOtherVersion;
  }
}

const CANNOT_REPLAY = /Workflow Task in failed state/;
// Cancelled: the server has seen the deadline of the request before the client.
const NOBODY = /no poller seen|DEADLINE_EXCEEDED|CANCELLED/;

/** The server's message for a failed query. */
const reasonOf = (error: unknown): string => (error instanceof ServiceError ? String(error.cause) : '');

/** Whether a query failed because no worker answers it. */
export const isUnanswered = (error: unknown): boolean =>
  CANNOT_REPLAY.test(reasonOf(error)) || NOBODY.test(reasonOf(error));

/** A run of this name is in progress with another configuration. */
export class RunDiffers extends InputError {
  readonly differences: Difference[];

  constructor(run: string, differences: Difference[]) {
    const described = differences.map(
      ({ key, before, after }) => `${key} is ${shown(before)} there and ${shown(after)} here`,
    );
    super(`A run named "${run}" is in progress with another configuration: ${described.join('; ')}.`);
    this.differences = differences;
  }
}

const shown = (value: unknown) => (value === undefined ? 'not set' : showValue(value));
