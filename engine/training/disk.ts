/** Whether a training of all weights fits on the disk: an 8B model's checkpoint has 96 GB. */
import { mkdirSync, readdirSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../../data/errors.ts';
import type { TensorEntry } from '../model-files/safetensors.ts';
import type { OptimizeJob, SftJob } from '../protocol/jobs.ts';

/** Bytes of each weight in the trained model, which is float32. */
const MODEL_BYTES = 4;
/** Bytes of each weight in a checkpoint: the weight and Adam's two moments, in float32. */
const CHECKPOINT_BYTES = 12;
/** The last complete checkpoint, and the one that is being written. */
const CHECKPOINTS = 2;

const gigabytes = (bytes: number) => `${Math.ceil(bytes / 1e9).toLocaleString('en-US')} GB`;

/**
 * Checks the disk of a training of all weights with checkpoints, before it starts. An adapter is small.
 * @param tensors of the model
 * @throws InputError when the disk cannot hold the trained model and its checkpoints
 */
export function checkDisk({ checkpoint, training }: OptimizeJob | SftJob, tensors: Map<string, TensorEntry>): void {
  if (!checkpoint || !training.full) return;
  const { dir } = checkpoint;
  mkdirSync(dir, { recursive: true });
  const weights = [...tensors.values()].reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  const [model, state] = [weights * MODEL_BYTES, weights * CHECKPOINT_BYTES];
  const { bavail, bsize } = statfsSync(dir);
  // A checkpoint that is resumed is replaced.
  const free = bavail * bsize + bytesIn(dir);
  const needed = model + CHECKPOINTS * state;
  if (needed <= free) return;
  throw new InputError(
    `Training all weights needs ${gigabytes(needed)} of disk in ${dir}, of which ${gigabytes(free)} are free: ` +
      `${gigabytes(model)} for the trained model, and ${gigabytes(state)} for each of two checkpoints. ` +
      'Give the worker a larger disk (SELM_HOME), or train an adapter.',
  );
}

function bytesIn(folder: string): number {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files.reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
}
