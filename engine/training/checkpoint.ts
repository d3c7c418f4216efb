/** Checkpoints of a training: everything the next step depends on, so that a resumed training ends with the same bits. */
import { createHash } from 'node:crypto';
import {
  createReadStream,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { TrainMetrics } from '../jobs.ts';
import { openSafetensors, readTensorF32, writeSafetensors } from '../model/safetensors.ts';
import type { Feeds } from '../session.ts';

export interface Checkpoint {
  /** Steps done. */
  step: number;
  /** Of the training's parameters, data and settings: a checkpoint of another training is not resumed. */
  fingerprint: string;
  metrics: TrainMetrics[];
}

const STATE = 'state.safetensors';
const SUMMARY = 'checkpoint.json';
const folderName = (step: number) => `step-${String(step).padStart(8, '0')}`;

/**
 * A hash of what a training starts from.
 * @param weights before the first step
 * @param values of JSON; taken one by one, as a whole data set's text would not fit one string
 */
export function fingerprintOf(weights: Feeds, values: unknown[]): string {
  const hash = createHash('sha256');
  for (const { data } of Object.values(weights)) hash.update(data as Float32Array);
  for (const value of values) hash.update(`${JSON.stringify(value)}\n`);
  return hash.digest('hex');
}

/** Writes a checkpoint and removes the ones before it. It is there wholly or not at all. Returns its folder. */
export async function writeCheckpoint(dir: string, checkpoint: Checkpoint, state: Feeds): Promise<string> {
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
  const sha256 = await sha256Of(join(unfinished, STATE));
  writeFileSync(join(unfinished, SUMMARY), JSON.stringify({ ...checkpoint, sha256 }));
  if (existsSync(join(dir, name))) removeCheckpoint(dir, name);
  renameSync(unfinished, join(dir, name));
  for (const other of completeCheckpoints(dir)) if (other !== name) removeCheckpoint(dir, other);
  return join(dir, name);
}

/** Whoever reads it meanwhile, to copy it to another machine say, finds the whole of it or nothing, never a half. */
function removeCheckpoint(dir: string, name: string): void {
  const aside = join(dir, `.${name}.old`);
  rmSync(aside, { recursive: true, force: true });
  renameSync(join(dir, name), aside);
  rmSync(aside, { recursive: true });
}

/** Fills `state` from the newest undamaged checkpoint of this training, if there is one. */
export async function readCheckpoint(dir: string, fingerprint: string, state: Feeds): Promise<Checkpoint | undefined> {
  for (const name of completeCheckpoints(dir).reverse()) {
    const summary = readSummary(join(dir, name, SUMMARY));
    const file = join(dir, name, STATE);
    if (summary?.fingerprint !== fingerprint || !existsSync(file)) continue;
    const { sha256, ...checkpoint } = summary;
    if ((await sha256Of(file)) !== sha256) continue;
    const entries = openSafetensors(file);
    for (const [key, tensor] of Object.entries(state)) {
      (tensor.data as Float32Array).set(readTensorF32(entries.get(key)!));
    }
    return checkpoint;
  }
  return undefined;
}

function readSummary(file: string): (Checkpoint & { sha256: string }) | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Checkpoint & { sha256: string };
  } catch {
    return undefined;
  }
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

function completeCheckpoints(dir: string): string[] {
  if (!existsSync(dir)) return [];
  return readdirSync(dir)
    .filter((name) => name.startsWith('step-') && existsSync(join(dir, name, SUMMARY)))
    .sort();
}
