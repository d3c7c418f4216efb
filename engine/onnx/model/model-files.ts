/** A model folder opened for building graphs. */
import { EMBEDDING } from '../../model-files/embeddings.ts';
import type { Task } from '../../model-files/llama-config.ts';
import { openLlamaFolder, type LlamaFolder, type TensorFiles } from '../../model-files/model.ts';
import type { TensorEntry } from '../../model-files/safetensors.ts';
import type { Device } from '../../protocol/compute.ts';
import { targetOf, type Target } from '../target.ts';

/** A model folder, and what its graphs are built for. The graphs' external data is relative to `dataFolder`. */
export interface ModelFiles extends LlamaFolder {
  target: Target;
}

/**
 * Opens a model folder to compute on `device`.
 * @throws InputError when a file is missing, damaged or unsupported, or the weights do not fit the configuration
 */
export const openModel = (folder: string, task?: Task, device?: Device): ModelFiles =>
  withTarget(openLlamaFolder(folder, task), device);

/** @param device that the graphs will run on */
export const withTarget = (model: LlamaFolder, device: Device = 'cpu'): ModelFiles => ({
  ...model,
  target: targetOf(device, model.tensors.get(EMBEDDING)!.dtype),
});

/** Makes something of each tensor of a model, by name, once: when it is first asked for. */
export function eachOnce<T>({ tensors }: TensorFiles, make: (entry: TensorEntry) => T): (name: string) => T {
  const known = new Map<string, T>();
  return (name) => {
    const made = known.get(name) ?? make(tensors.get(name)!);
    known.set(name, made);
    return made;
  };
}
