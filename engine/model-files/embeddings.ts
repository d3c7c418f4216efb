/** The embedding and the output layer: one matrix or two, as the configuration and the files say. */
import { statSync } from 'node:fs';
import type { ModelConfig } from './config.ts';
import { areSameBytes, type TensorEntry } from './safetensors.ts';

export const EMBEDDING = 'model.embed_tokens.weight';
export const OUTPUT = 'lm_head.weight';

/**
 * What transformers' tie_weights() makes of a configuration that ties the two: where the files have both and they differ, they are
 * not tied; where they have the output layer alone, it is the embedding, too.
 * @returns the configuration as it holds, and the tensors with the embedding among them
 */
export function tieEmbeddings(
  config: ModelConfig,
  tensors: Map<string, TensorEntry>,
): { config: ModelConfig; tensors: Map<string, TensorEntry> } {
  const [embedding, output] = [tensors.get(EMBEDDING), tensors.get(OUTPUT)];
  if (!config.tieEmbeddings || config.labels !== undefined || !output) return { config, tensors };
  if (!embedding) return { config, tensors: new Map(tensors).set(EMBEDDING, { ...output, name: EMBEDDING }) };
  return { config: { ...config, tieEmbeddings: areEqual(embedding, output) }, tensors };
}

const compared = new Map<string, boolean>();

/** Compared once for all times that this process opens the model. */
function areEqual(a: TensorEntry, b: TensorEntry): boolean {
  const key = JSON.stringify([a, b].map(({ file, offset }) => [file, statSync(file).mtimeMs, offset]));
  const known = compared.get(key) ?? areSameBytes(a, b);
  compared.set(key, known);
  return known;
}
