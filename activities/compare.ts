/** The numbers of two artifacts of one step, compared where computing again does not promise the same bits (`promisesBits`). */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Address, Manifest } from '../artifacts/manifest.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import { openSafetensors, readTensorF32, type TensorEntry } from '../engine/model-files/safetensors.ts';
import { openModelWeights } from '../engine/model-files/weights.ts';
import { openPolicyArtifact } from './policy.ts';

/** Numbers in rows and summaries (nats, losses, scores) may differ by this, plus this share of the larger one. */
const NUMBERS = 0.02;
/**
 * Trained tensors may differ by this share of what training changed in them. Both are root mean squares: AdamW's first steps have the
 * size of the learning rate however small the gradient is, so the sign of a single element's step can be a rounding error.
 */
const TENSORS = 0.05;

/** Tensors by name. */
type Tensors = Map<string, TensorEntry>;

/** The largest difference between two artifacts. */
export interface Difference {
  /** In units of the tolerance: up to 1 is within it. Infinite where something other than a number differs. */
  size: number;
  /** What differs, and by how much. */
  text: string;
}

const NONE: Difference = { size: 0, text: 'no number differs' };
const larger = (a: Difference, b: Difference) => (b.size > a.size ? b : a);
const unlike = (text: string): Difference => ({ size: Infinity, text });

/**
 * Compares a stored artifact with one computed again.
 * @param again the folder of the artifact that was computed again
 */
export async function compareArtifact(
  store: ArtifactStore,
  { address, manifest }: { address: Address; manifest: Manifest },
  again: string,
): Promise<Difference> {
  const start =
    manifest.kind === 'policy' ? await startTensors(store, manifest.recipe.inputs['policy'] as Address) : undefined;
  return compareNumbers(await store.open(address), again, start);
}

/** What training started from: the weights of the model, and of its adapter. */
async function startTensors(store: ArtifactStore, address: Address): Promise<Tensors> {
  const { policy } = await openPolicyArtifact(store, address);
  const adapter =
    policy.adapter === undefined ? [] : openSafetensors(join(policy.adapter, 'adapter_model.safetensors'));
  return new Map([...openModelWeights(policy.model), ...adapter]);
}

/**
 * The largest difference between the files of two folders. Rows and summaries are compared number by number, tensors as a whole.
 * @param start the tensors before training. A tensor that is not among them, as in a fresh adapter, is compared with its own size
 */
export async function compareNumbers(before: string, after: string, start: Tensors = new Map()): Promise<Difference> {
  const [files, others] = await Promise.all([before, after].map(filesIn));
  if (files.join() !== others.join())
    return unlike(`the files are ${others.join(', ')} instead of ${files.join(', ')}`);
  let largest = NONE;
  for (const file of files) {
    const paths = [join(before, file), join(after, file)] as const;
    largest = larger(largest, await compareFiles(file, paths, start));
  }
  return largest;
}

/** The paths of an artifact's files. Its manifest has their hashes, which differ with them. */
const filesIn = async (folder: string) =>
  (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(folder.length + 1))
    .filter((file) => file !== 'manifest.json')
    .sort();

async function compareFiles(file: string, paths: readonly [string, string], start: Tensors): Promise<Difference> {
  if (file.endsWith('.safetensors'))
    return compareTensors(file, paths.map((file) => openSafetensors(file)) as [Tensors, Tensors], start);
  const [a, b] = await Promise.all(paths.map((path) => readFile(path)));
  if (a.equals(b)) return NONE;
  if (file.endsWith('.json')) return compareValues(file, JSON.parse(a.toString()), JSON.parse(b.toString()));
  if (file.endsWith('.jsonl')) return compareValues(file, rowsOf(a), rowsOf(b));
  return unlike(`${file} differs`);
}

const rowsOf = (file: Buffer): unknown[] =>
  file
    .toString()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown);

/** @param path of the values, such as `logps.jsonl.3.chosen` */
function compareValues(path: string, a: unknown, b: unknown): Difference {
  if (typeof a === 'number' && typeof b === 'number') {
    const size = Math.abs(a - b) / (NUMBERS * (1 + Math.max(Math.abs(a), Math.abs(b))));
    return a === b ? NONE : { size, text: `${path} is ${b} instead of ${a}` };
  }
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) {
    return a === b ? NONE : unlike(`${path} is ${JSON.stringify(b)} instead of ${JSON.stringify(a)}`);
  }
  const keys = Object.keys(a);
  if (keys.join() !== Object.keys(b).join()) return unlike(`${path} has other fields or another number of rows`);
  const parts = keys.map((key) =>
    compareValues(`${path}.${key}`, (a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]),
  );
  return parts.reduce(larger, NONE);
}

function compareTensors(file: string, [before, after]: [Tensors, Tensors], start: Tensors): Difference {
  let largest = NONE;
  for (const [name, entry] of before) {
    const other = after.get(name);
    if (other?.shape.join() !== entry.shape.join()) return unlike(`${file}: ${name} is missing or has another shape`);
    largest = larger(largest, compareTensor(name, [entry, other], start.get(name)));
  }
  return after.size === before.size ? largest : unlike(`${file} has other tensors`);
}

function compareTensor(name: string, [before, after]: TensorEntry[], start: TensorEntry | undefined): Difference {
  const [a, b] = [readTensorF32(before), readTensorF32(after)];
  const from = start?.shape.join() === before.shape.join() ? readTensorF32(start) : undefined;
  let [difference, change] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    difference += (a[i] - b[i]) ** 2;
    change += (a[i] - (from?.[i] ?? 0)) ** 2;
  }
  if (difference === 0) return NONE;
  const share = Math.sqrt(difference / change);
  const of = from ? 'what training changed in it' : 'its size';
  // A difference that is not a number is none that can be accepted.
  return Number.isNaN(share)
    ? unlike(`${name} is not finite`)
    : { size: share / TENSORS, text: `${name} differs by ${Number((100 * share).toPrecision(2))} % of ${of}` };
}
