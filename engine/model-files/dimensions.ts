/** A model's size, for estimates: dimensions of its layers and the shapes of its tensors. */
import { join } from 'node:path';
import { z } from 'zod';
import { MAX_LAYERS, MAX_SIZE, parseConfig, readModelConfig } from './config.ts';
import { readJson } from './json-file.ts';
import { isLlama, readLlamaConfig, type LlamaConfig } from './llama-config.ts';
import { parameterShapes } from './shapes.ts';
import { openModelWeights } from './weights.ts';

/** What memory and time depend on. */
export interface ModelDimensions extends Pick<
  LlamaConfig,
  'vocabSize' | 'layers' | 'hiddenSize' | 'intermediateSize' | 'heads' | 'kvHeads' | 'headDim'
> {
  /** Shapes of all tensors, by name. */
  shapes: Map<string, number[]>;
}

/** Of a model of the Llama family: its configuration says all. */
export const llamaDimensions = (config: LlamaConfig): ModelDimensions => ({
  ...config,
  shapes: parameterShapes(config),
});

const size = z.int().positive().max(MAX_SIZE);
/** Names that most architectures use; older ones have others. */
const configSchema = z.looseObject({
  hidden_size: size,
  intermediate_size: size.optional(),
  num_hidden_layers: z.int().positive().max(MAX_LAYERS),
  num_attention_heads: size,
  num_key_value_heads: size.nullish(),
  head_dim: size.nullish(),
});

/** Feed-forward size over hidden size, if the configuration does not say (GPT-NeoX's and Falcon's default). */
const USUAL_EXPANSION = 4;

/**
 * Reads a model folder's dimensions. A model outside of the Llama family needs its weight files: its configuration does not say which
 * tensors it has.
 * @throws InputError when a file is missing or damaged
 */
export function readDimensions(folder: string): ModelDimensions {
  const { architecture, vocabSize } = readModelConfig(folder);
  if (isLlama(architecture)) return llamaDimensions(readLlamaConfig(folder));
  const file = join(folder, 'config.json');
  const raw = parseConfig(file, configSchema, readJson(file));
  return {
    vocabSize,
    layers: raw.num_hidden_layers,
    hiddenSize: raw.hidden_size,
    intermediateSize: raw.intermediate_size ?? USUAL_EXPANSION * raw.hidden_size,
    heads: raw.num_attention_heads,
    kvHeads: raw.num_key_value_heads ?? raw.num_attention_heads,
    headDim: raw.head_dim ?? Math.ceil(raw.hidden_size / raw.num_attention_heads),
    shapes: new Map([...openModelWeights(folder)].map(([name, { shape }]) => [name, shape])),
  };
}
