/** A labeler's model: its folder, and its identity in the step key. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { hubModels } from '../artifacts/copy-model.ts';
import { hashFile, hashValue } from '../artifacts/hash.ts';
import { InputError } from '../data/errors.ts';
import { isModelId } from '../data/hub/ids.ts';
import type { LabelTools } from './labeler.ts';

interface LabelerModel {
  /** The commit on the hub, or a hash of the folder's files. */
  identity: Record<string, unknown>;
  /** Downloads the model at the first call. @returns its folder */
  folder(): Promise<string>;
}

/**
 * Opens the model of a labeler.
 * @param models where it comes from if it is on the hub
 * @param wanted matches the paths of the files to download from a hub repository. Default: that of `resolveModel`
 * @throws InputError when `model` is neither a folder nor a hub id
 */
export async function openLabelerModel(
  model: string,
  { models = hubModels }: Pick<LabelTools, 'models'>,
  wanted?: RegExp,
): Promise<LabelerModel> {
  if (statSync(model, { throwIfNoEntry: false })?.isDirectory()) {
    return { identity: { model: await fingerprintOf(model) }, folder: async () => model };
  }
  if (!isModelId(model)) {
    throw new InputError(`label.model "${model}" is not a folder; give a model folder or a hub id "org/name".`);
  }
  const pinned = await models.pin(model, wanted);
  return { identity: { model: pinned }, folder: () => models.folder(pinned, wanted) };
}

const MODEL_FILES = /^(onnx\/)?[^/]+\.(json|safetensors|jinja|model|txt|onnx|onnx_data|data)$/;

/** Cached hashes by names, sizes and modification times of the files, because each shard of a run needs the hash. */
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
