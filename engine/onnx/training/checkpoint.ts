/** Checkpoints of a training: everything the next step depends on, so that a resumed training gives the same bits. */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../../../data/errors.ts';
import { exists } from '../../../data/file-errors.ts';
import { jsonOf } from '../../../data/json.ts';
import type { TrainMetrics } from '../../protocol/jobs.ts';
import { openSafetensors, readTensorF32, writeSafetensors } from '../../model-files/safetensors.ts';
import type { Feeds } from '../session.ts';

/** What a checkpoint holds besides the optimizer's state. */
export interface Checkpoint {
  /** Number of steps done. */
  step: number;
  /** Hash of the training's parameters, data and settings: only a checkpoint of the same training is resumed. */
  fingerprint: string;
  metrics: TrainMetrics[];
}

const STATE = 'state.safetensors';
const SUMMARY = 'checkpoint.json';
const folderName = (step: number) => `step-${String(step).padStart(8, '0')}`;

/**
 * Writes a checkpoint, completely or not at all, and then removes the earlier ones.
 * @param state the optimizer's state, float32
 * @returns the checkpoint's folder
 */
export function writeCheckpoint(dir: string, checkpoint: Checkpoint, state: Feeds): string {
  const name = folderName(checkpoint.step);
  const unfinished = join(dir, `.${name}.tmp`);
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { recursive: true });
  const tensors = Object.entries(state).map(([key, tensor]) => ({
    name: key,
    dtype: 'F32' as const,
    shape: [...tensor.dims],
    data: tensor.data as Float32Array,
  }));
  writeSafetensors(join(unfinished, STATE), tensors);
  const sha256 = hashOf(checkpoint, new Map(tensors.map(({ name: key, data }) => [key, data])));
  writeFileSync(join(unfinished, SUMMARY), JSON.stringify({ ...checkpoint, sha256 }));
  if (exists(join(dir, name))) removeCheckpoint(dir, name);
  renameSync(unfinished, join(dir, name));
  for (const other of completeCheckpoints(dir)) if (other !== name) removeCheckpoint(dir, other);
  return join(dir, name);
}

/** Renamed first: a reader, such as a copy to another machine, finds all of it or nothing. */
function removeCheckpoint(dir: string, name: string): void {
  const aside = join(dir, `.${name}.old`);
  rmSync(aside, { recursive: true, force: true });
  renameSync(join(dir, name), aside);
  rmSync(aside, { recursive: true });
}

/** The checkpoint that a training resumes from, and the folders of checkpoints that are not as they were written. */
export interface Resumed {
  checkpoint?: Checkpoint;
  damaged: string[];
}

/**
 * Fills `state` from the newest undamaged checkpoint of this training, if there is one.
 * @throws Error when a file cannot be read
 */
export function readCheckpoint(dir: string, fingerprint: string, state: Feeds): Resumed {
  const damaged: string[] = [];
  for (const name of completeCheckpoints(dir).reverse()) {
    const summary = readSummary(join(dir, name, SUMMARY));
    if (summary && summary.fingerprint !== fingerprint) continue;
    const values = readState(join(dir, name, STATE), Object.keys(state));
    if (summary && values) {
      const { sha256, ...checkpoint } = summary;
      // The hash is that of the values in memory: the file may have changed since they were read.
      if (hashOf(checkpoint, values) === sha256) {
        for (const [key, data] of values) (state[key].data as Float32Array).set(data);
        return { checkpoint, damaged };
      }
    }
    damaged.push(join(dir, name));
  }
  return { damaged };
}

/**
 * The tensors of these names; undefined if the file is missing or damaged.
 * @throws Error when the file cannot be read: it may hold days of training, so it is not taken for damaged
 */
function readState(file: string, names: string[]): Map<string, Float32Array> | undefined {
  try {
    const entries = openSafetensors(file);
    if (!names.every((name) => entries.has(name))) return undefined;
    return new Map(names.map((name) => [name, readTensorF32(entries.get(name)!)]));
  } catch (error) {
    if (error instanceof InputError) return undefined;
    throw error;
  }
}

/** The hash of all that a training resumes with, the metrics included: they end up in the artifact, like the weights. */
function hashOf(checkpoint: Checkpoint, values: Map<string, Float32Array>): string {
  const hash = createHash('sha256').update(`${JSON.stringify(checkpoint)}\n`);
  for (const name of [...values.keys()].sort()) hash.update(`${name}\n`).update(values.get(name)!);
  return hash.digest('hex');
}

function readSummary(file: string): (Checkpoint & { sha256: string }) | undefined {
  return jsonOf(readFileSync(file, 'utf8')) as (Checkpoint & { sha256: string }) | undefined;
}

function completeCheckpoints(dir: string): string[] {
  if (!exists(dir)) return [];
  return readdirSync(dir)
    .filter((name) => name.startsWith('step-') && exists(join(dir, name, SUMMARY)))
    .sort();
}
