/** A policy's files, opened without a backend: to check them, and to turn texts into tokens. */
import { join } from 'node:path';
import { exists } from '../../data/file-errors.ts';
import type { Policy } from '../protocol/jobs.ts';
import { loadTokenizer, type ModelTokenizer } from '../tokenizer/tokenizer.ts';
import { layersOf } from '../model-files/linear-layers.ts';
import { readAdapter, type Adapter } from '../model-files/lora.ts';
import { openLlamaFolder, openModelFolder, type LlamaFolder, type ModelFolder } from '../model-files/model.ts';

/** A policy's model folder, its tokenizer, and its adapter. */
export interface PolicyFiles<Model extends ModelFolder = ModelFolder> {
  model: Model;
  /** Opened by the first call: rows that are token ids need no tokenizer, and a model folder may have none. */
  tokenizer(): ModelTokenizer;
  adapter?: Adapter;
}

/** A policy of the Llama family. */
export type LlamaPolicy = PolicyFiles<LlamaFolder>;

/**
 * Opens the model folder, of any architecture, and reads the adapter.
 * @throws InputError when a part is missing, damaged or supported by no backend, or the adapter does not fit the model
 */
export const openPolicyFiles = (policy: Policy): PolicyFiles => openPolicyAs(openModelFolder, policy);

/**
 * As openPolicyFiles, of the Llama family: what the onnx backend computes.
 * @throws InputError like openPolicyFiles, and when the onnx backend does not support the model
 */
export const openLlamaPolicy = (policy: Policy): LlamaPolicy => openPolicyAs(openLlamaFolder, policy);

function openPolicyAs<Model extends ModelFolder>(
  open: (folder: string) => Model,
  { model: folder, adapter, chatTemplate }: Policy,
): PolicyFiles<Model> {
  const model = open(folder);
  let opened: ModelTokenizer | undefined;
  const tokenizer = () => (opened ??= loadTokenizer(folder, chatTemplate, adapter));
  // An adapter's own tokenizer is compared with that of its model.
  if (adapter !== undefined && [adapter, folder].every((of) => exists(join(of, 'tokenizer.json')))) tokenizer();
  return {
    model,
    tokenizer,
    ...(adapter && { adapter: readAdapter(adapter, layersOf(model)) }),
  };
}
