/** What a checkpoint belongs to: a training that starts from the same values with the same settings and examples. */
import { createHash } from 'node:crypto';
import type { OptimizeJob, SftJob } from '../protocol/jobs.ts';
import type { Example } from './groups.ts';

/**
 * The SHA-256 of what a training starts from.
 * @param start the weights before the first step, or hashes of them
 * @param values JSON values; hashed one by one, since the JSON of a whole data set may not fit into one string
 */
export function trainingHash(start: Iterable<Float32Array | string>, values: unknown[]): string {
  const hash = createHash('sha256');
  for (const weights of start) hash.update(weights);
  for (const value of values) hash.update(`${JSON.stringify(value)}\n`);
  return hash.digest('hex');
}

/**
 * Everything else that decides the bits of a training. No paths: another machine may resume. The examples stand for the rows, the
 * tokenizer and the reference policy.
 * @param computedWith what the bits depend on in the backend, such as its threads
 */
export const trainingValues = (job: OptimizeJob | SftJob, computedWith: unknown[], examples: Example[]): unknown[] => [
  job.training,
  job.seed,
  'objective' in job && job.objective,
  ...computedWith,
  ...examples,
];
