/** A policy's files, opened without a backend: to check them, and to turn texts into tokens. */
import type { Policy } from '../protocol/jobs.ts';
import { loadTokenizer, type ModelTokenizer } from '../tokenizer/tokenizer.ts';
import { readAdapter, type Adapter } from '../model-files/lora.ts';
import { openModelFolder, type ModelFolder } from '../model-files/model.ts';

/** A policy's model folder, its tokenizer, and its adapter. */
export interface PolicyFiles {
  model: ModelFolder;
  /** Opened by the first call: rows that are token ids need no tokenizer, and a model folder may have none. */
  tokenizer(): ModelTokenizer;
  adapter?: Adapter;
}

/**
 * Opens the model folder and reads the adapter.
 * @throws InputError when a part is missing, damaged or unsupported, or the adapter does not fit the model
 */
export function openPolicyFiles({ model: folder, adapter, chatTemplate }: Policy): PolicyFiles {
  const model = openModelFolder(folder, 'CausalLM');
  let tokenizer: ModelTokenizer | undefined;
  return {
    model,
    tokenizer: () => (tokenizer ??= loadTokenizer(folder, chatTemplate)),
    ...(adapter && { adapter: readAdapter(adapter, model.config) }),
  };
}
