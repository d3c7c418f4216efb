/** How long a stopping worker may take. Apart from the worker, which loads Temporal's worker: commands that start workers do not need it. */
import { InputError } from '../data/errors.ts';

const DEFAULT_GRACE_SECONDS = 2;
/** The time limit for writing a checkpoint and ending, after the grace period, in seconds. */
export const STOP_SECONDS = 30;

/**
 * SELM_GRACE_SECONDS: how long a stopping worker waits for its activities to finish. After that they are stopped and write their
 * checkpoint.
 * @throws InputError when it is not a number
 */
export function graceSeconds(): number {
  const given = process.env['SELM_GRACE_SECONDS'] ?? String(DEFAULT_GRACE_SECONDS);
  if (!/^\d+(\.\d+)?$/.test(given))
    throw new InputError(`SELM_GRACE_SECONDS=${given} is no number of seconds: give 90.`);
  return Number(given);
}
