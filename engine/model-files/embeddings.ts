/** The embedding and the output layer: one matrix or two, depending on the configuration and the files. */
import { statSync } from 'node:fs';
import type { LlamaConfig } from './llama-config.ts';
import { areSameBytes, type TensorEntry } from './safetensors.ts';

export const EMBEDDING = 'model.embed_tokens.weight';
export const OUTPUT = 'lm_head.weight';

/**
 * Ties the two as transformers' tie_weights() does, if the configuration says so: if the files have both and they differ, they are not
 * tied; if the files have only the output layer, it is the embedding too.
 * @returns the configuration that applies, and the tensors including the embedding
 */
export function tieEmbeddings(
  config: LlamaConfig,
  tensors: Map<string, TensorEntry>,
): { config: LlamaConfig; tensors: Map<string, TensorEntry> } {
  const [embedding, output] = [tensors.get(EMBEDDING), tensors.get(OUTPUT)];
  if (!config.tieEmbeddings || config.labels !== undefined || !output) return { config, tensors };
  if (!embedding) return { config, tensors: new Map(tensors).set(EMBEDDING, { ...output, name: EMBEDDING }) };
  return { config: { ...config, tieEmbeddings: areEqual(embedding, output) }, tensors };
}

/** Whether the files have both matrices and these differ: then they are not tied, whatever the configuration says. */
export function areUntied(tensors: Map<string, TensorEntry>): boolean {
  const [embedding, output] = [tensors.get(EMBEDDING), tensors.get(OUTPUT)];
  return embedding !== undefined && output !== undefined && !areEqual(embedding, output);
}

const compared = new Map<string, boolean>();

/** Compared once per process, however often it opens the model. */
function areEqual(a: TensorEntry, b: TensorEntry): boolean {
  const key = JSON.stringify([a, b].map(({ file, offset }) => [file, statSync(file).mtimeMs, offset]));
  const known = compared.get(key) ?? areSameBytes(a, b);
  compared.set(key, known);
  return known;
}
