/** Whether a training of all weights fits on the disk: an 8B model's checkpoint has 96 GB. */
import { mkdirSync, readdirSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../../data/errors.ts';
import { sum } from '../../data/numbers.ts';
import { wholeGigabytes } from '../bytes.ts';
import { elementCount } from '../model-files/element-count.ts';
import type { TensorEntry } from '../model-files/safetensors.ts';
import type { OptimizeJob, SftJob } from '../protocol/jobs.ts';
import { checkpointBytes, CHECKPOINTS, savedBytes } from './saved-size.ts';

/**
 * Checks the disk of a training of all weights with checkpoints, before it starts. An adapter is small.
 * @param tensors of the model
 * @throws InputError when the disk cannot hold the trained model and its checkpoints
 */
export function checkDisk({ checkpoint, training }: OptimizeJob | SftJob, tensors: Map<string, TensorEntry>): void {
  if (!checkpoint || !training.full) return;
  const { dir } = checkpoint;
  mkdirSync(dir, { recursive: true });
  const weights = sum([...tensors.values()].map(({ shape }) => elementCount(shape)));
  const [model, state] = [savedBytes(weights), checkpointBytes(weights)];
  const { bavail, bsize } = statfsSync(dir);
  // A checkpoint that is resumed is replaced.
  const free = bavail * bsize + bytesIn(dir);
  const needed = model + CHECKPOINTS * state;
  if (needed <= free) return;
  throw new InputError(
    `Training all weights needs ${wholeGigabytes(needed)} of disk in ${dir}, of which ${wholeGigabytes(free)} are free: ` +
      `${wholeGigabytes(model)} for the trained model, and ${wholeGigabytes(state)} for each of two checkpoints. ` +
      'Give the worker a larger disk (SELM_HOME), or train an adapter.',
  );
}

function bytesIn(folder: string): number {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files.reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
}
