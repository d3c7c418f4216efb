/** The model of a labeler: where it lies, and what tells it from every other. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { hashFile, hashValue } from '../artifacts/hash.ts';
import { InputError } from '../data/errors.ts';
import { isModelId } from '../data/hub-ids.ts';
import { pinModel, resolveModel } from '../data/hub.ts';

export interface LabelerModel {
  /** A part of the step's key: the hub's commit, or a hash of the folder's files. */
  identity: Record<string, unknown>;
  /** The folder, downloaded at the first call. */
  folder(): Promise<string>;
}

/**
 * @param wanted which files of a hub repository are needed
 * @throws InputError when there is no such folder and no such hub id
 */
export async function openLabelerModel(model: string, wanted?: RegExp): Promise<LabelerModel> {
  if (statSync(model, { throwIfNoEntry: false })?.isDirectory()) {
    return { identity: { model: await fingerprintOf(model) }, folder: async () => model };
  }
  if (!isModelId(model)) {
    throw new InputError(`label.model "${model}" is not a folder; give a model folder or a hub id "org/name".`);
  }
  const pinned = await pinModel(model);
  return { identity: { model: pinned }, folder: () => resolveModel(pinned, wanted) };
}

const MODEL_FILES = /^(onnx\/)?[^/]+\.(json|safetensors|jinja|model|txt|onnx|onnx_data|data)$/;

/** Hashes by what says cheaply whether a folder's files are still the same: every shard of a run asks. */
const known = new Map<string, string>();

async function fingerprintOf(folder: string): Promise<string> {
  const all = (readdirSync(folder, { recursive: true }) as string[]).map((path) => path.replaceAll('\\', '/'));
  const names = all.filter((path) => MODEL_FILES.test(path)).sort();
  const state = JSON.stringify([
    folder,
    names.map((name) => {
      const { size, mtimeMs } = statSync(join(folder, name));
      return [name, size, mtimeMs];
    }),
  ]);
  const hash =
    known.get(state) ??
    hashValue(await Promise.all(names.map(async (name) => [name, await hashFile(join(folder, name))])));
  known.set(state, hash);
  return hash;
}
