/** What every job of this backend gets, and what they have in common. */
import { availableParallelism } from 'node:os';
import { JobAborted } from '../../protocol/errors.ts';
import type { JobControl, Progress } from '../../protocol/jobs.ts';
import type { SessionCache } from '../sessions.ts';

/** The control of one job, and the sessions that stay open between jobs. */
export interface JobContext {
  control: JobControl;
  sessions: SessionCache;
}

/** The default number of threads. */
export const ALL_CORES = availableParallelism();

/**
 * A callback for batches: reports the progress of a job, and ends the job if it was stopped.
 * @param what was stopped, for the error: `scoring`
 * @param unitName of the units, for the error. Default: `unit`
 * @throws JobAborted
 */
export function reporter(
  { onProgress, aborted }: JobControl,
  what: string,
  unit: Progress['unit'],
  total: number,
  unitName: string = unit,
): (done: number, tokens: number) => void {
  return (done, tokens) => {
    onProgress({ done, total, unit, tokens });
    if (aborted()) throw new JobAborted(`${what} was stopped after ${done} of ${total} ${unitName}`);
  };
}
