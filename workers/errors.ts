/** Errors of Temporal, and of runs on it. */
import { ServiceError } from '@temporalio/client';
import type { Difference } from '../config/changes.ts';
import { InputError } from '../data/errors.ts';

/** Temporal cannot be reached, does not answer, or its embedded server cannot be installed or started. */
export class TemporalFailed extends Error {
  override readonly name = 'TemporalFailed';
}

/** No worker answers for a run in progress. */
export class RunUnanswered extends Error {
  override readonly name = 'RunUnanswered';

  constructor(run: string, cause: unknown) {
    const problem = CANNOT_REPLAY.test(reasonOf(cause))
      ? 'cannot be replayed by this version of selm: ' +
        'continue with the version that started it, or restart it, which reuses its artifacts (selm run FILE --restart)'
      : 'does not answer: start a worker for it (selm worker --role control)';
    super(`Run "${run}" ${problem}.`, { cause });
  }
}

const CANNOT_REPLAY = /Workflow Task in failed state/;
const NOBODY = /no poller seen|DEADLINE_EXCEEDED/;

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

const LONGEST_VALUE = 60;

function shown(value: unknown): string {
  const text = value === undefined ? 'not set' : JSON.stringify(value);
  return text.length <= LONGEST_VALUE ? text : `${text.slice(0, LONGEST_VALUE)}...`;
}
