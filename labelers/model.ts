/** A labeler's model: its folder, and its identity in the step key. */
import { statSync } from 'node:fs';
import { hubModels } from '../artifacts/copy-model.ts';
import { InputError } from '../data/errors.ts';
import { isModelId } from '../data/hub/ids.ts';
import { LABELER_MODEL_FILES } from '../data/model-files.ts';
import { fingerprintOf } from '../engine/model-files/fingerprint.ts';
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
    return { identity: { model: await fingerprintOf(model, LABELER_MODEL_FILES) }, folder: async () => model };
  }
  if (!isModelId(model)) {
    throw new InputError(`label.model "${model}" is not a folder; give a model folder or a hub id "org/name".`);
  }
  const pinned = await models.pin(model, wanted);
  return { identity: { model: pinned }, folder: () => models.folder(pinned, wanted) };
}
