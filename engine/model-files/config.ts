/** Hugging Face's config.json of a language model of any architecture: what every policy needs of it. */
import { join } from 'node:path';
import { z } from 'zod';
import { InputError } from '../../data/errors.ts';
import { findJson, readJson } from './json-file.ts';

/** What every policy needs of its model, whatever the architecture. llama-config.ts has the layers of the Llama family. */
export interface ModelConfig {
  /** As in config.json: `LlamaForCausalLM`. */
  architecture: string;
  vocabSize: number;
  maxPositions: number;
  /**
   * Number of positions that a token attends to, of the Llama family: sequences up to this length are computed with full attention, and
   * longer ones are refused. Absent for other architectures, which only transformers computes, with their windows.
   */
  slidingWindow?: number;
  /** Attention heads, which vLLM divides among GPUs. */
  heads?: number;
  /** Number of outputs of a sequence classifier; absent in a language model. */
  labels?: number;
  bosId?: number;
  /** Tokens that end a response, including those of generation_config.json. */
  eosIds: number[];
  padId?: number;
}

/** More than any model has. Without this limit, a damaged file with 10^8 layers would fill the memory before an error is found. */
export const MAX_LAYERS = 1000;
export const MAX_SIZE = 2 ** 20;
export const MAX_VOCABULARY = 2 ** 24;

const ids = z.union([z.int(), z.array(z.int())]).nullish();
const positions = z.int().positive().nullish();

const configSchema = z.looseObject({
  architectures: z.array(z.string()).min(1).nullish(),
  model_type: z.string().optional(),
  vocab_size: z.int().positive().max(MAX_VOCABULARY),
  num_hidden_layers: z.int().positive().max(MAX_LAYERS).optional(),
  num_attention_heads: z.int().positive().max(MAX_SIZE).optional(),
  max_position_embeddings: positions,
  n_positions: positions,
  max_seq_len: positions,
  seq_length: positions,
  sliding_window: z.int().positive().nullish(),
  use_sliding_window: z.boolean().nullish(),
  max_window_layers: z.int().nonnegative().default(28),
  layer_types: z.array(z.string()).nullish(),
  rope_scaling: z.looseObject({}).nullish(),
  rope_parameters: z.looseObject({}).nullish(),
  bos_token_id: ids,
  eos_token_id: ids,
  pad_token_id: ids,
  quantization_config: z.unknown().optional(),
  is_encoder_decoder: z.boolean().nullish(),
  num_labels: z.int().positive().optional(),
  id2label: z.record(z.string(), z.unknown()).optional(),
});
type RawConfig = z.infer<typeof configSchema>;
const generationSchema = z.looseObject({ eos_token_id: ids });

/** transformers' default if the file has none. */
const windowOf = (raw: RawConfig) => (raw.sliding_window === undefined ? 4096 : raw.sliding_window);

/** The layers from `max_window_layers` on have the window, or those named in `layer_types`. */
function windowIfUsed(raw: RawConfig): number | null | undefined {
  if (!raw.use_sliding_window) return undefined;
  const { layer_types: types, max_window_layers: full, num_hidden_layers: layers = 0 } = raw;
  const isUsed = types ? types.includes('sliding_attention') : layers > full;
  return isUsed ? windowOf(raw) : undefined;
}

/** The sliding windows of the Llama family, by the beginning of the architecture's name. */
const windows: Record<string, (raw: RawConfig) => number | null | undefined> = {
  Mistral: windowOf,
  Qwen2: windowIfUsed,
  Qwen3: windowIfUsed,
};

/** transformers' default for most architectures. */
const DEFAULT_POSITIONS = 2048;

/**
 * Reads a model folder's config.json and generation_config.json.
 * @throws InputError when a file is missing or damaged, or has something that no backend supports
 */
export function readModelConfig(folder: string): ModelConfig {
  const file = join(folder, 'config.json');
  const json = readJson(file);
  if (json['text_config']) refuse(file, 'a model of texts and images (text_config)');
  const raw = parseConfig(file, configSchema, json);
  if (raw.quantization_config) refuse(file, 'quantized weights (quantization_config)');
  if (raw['transformers_weights']) refuse(file, 'weights in a file of another name (transformers_weights)');
  if (EXPERTS.some((key) => raw[key])) refuse(file, 'a mixture of experts');
  if (raw.is_encoder_decoder) refuse(file, 'an encoder and a decoder (is_encoder_decoder)');
  const architecture = raw.architectures?.[0] ?? `model_type "${raw.model_type}"`;
  if (architecture.endsWith('ForMaskedLM')) refuse(file, `the masked language model ${architecture}`);
  if (raw['n_embd'] !== undefined) refuse(file, "GPT-2's kind of layers (n_embd)");
  const generation = join(folder, 'generation_config.json');
  const generationIds = parseConfig(generation, generationSchema, findJson(generation) ?? {}).eos_token_id;
  const window = windows[architecture.replace(/For[A-Za-z]+$/, '')]?.(raw);
  return {
    architecture,
    vocabSize: raw.vocab_size,
    maxPositions: Math.min(
      raw.max_position_embeddings ?? raw.n_positions ?? raw.max_seq_len ?? raw.seq_length ?? DEFAULT_POSITIONS,
      longropePositions(raw),
    ),
    ...(window && { slidingWindow: window }),
    ...(raw.num_attention_heads !== undefined && { heads: raw.num_attention_heads }),
    ...(architecture.endsWith('ForSequenceClassification') && { labels: labelsOf(raw) }),
    bosId: list(raw.bos_token_id)[0],
    eosIds: [...new Set([...list(raw.eos_token_id), ...list(generationIds)])],
    padId: list(raw.pad_token_id)[0],
  };
}

/**
 * The positions that longrope's short factors are for. Beyond them, transformers takes the long factors for all sequences of a forward
 * pass and vLLM for all of a server, so a response's log-probability would depend on what it is computed with.
 */
function longropePositions(raw: RawConfig): number {
  const rope: Record<string, unknown> = ropeSettings(raw) ?? {};
  const type = rope['rope_type'] ?? rope['type'];
  if (type !== 'longrope' && type !== 'su') return Infinity;
  const original = rope['original_max_position_embeddings'] ?? raw['original_max_position_embeddings'];
  return typeof original === 'number' ? original : Infinity;
}

/** The settings of rotary positions in both styles. `rope_scaling` wins if it has any, as in transformers. */
export const ropeSettings = <Rope extends object>({
  rope_scaling: scaling,
  rope_parameters: parameters,
}: Partial<Record<'rope_scaling' | 'rope_parameters', Rope | null>>): Rope | null | undefined =>
  scaling && Object.keys(scaling).length > 0 ? scaling : parameters;

/** transformers writes the labels' names instead of their number, and neither if there are two. */
const labelsOf = ({ num_labels, id2label }: RawConfig) =>
  num_labels ?? (id2label ? Object.keys(id2label).length : DEFAULT_LABELS);
const DEFAULT_LABELS = 2;

const EXPERTS = ['num_local_experts', 'num_experts', 'n_routed_experts'];

const list = (value: number | number[] | null | undefined): number[] =>
  value === null || value === undefined ? [] : [value].flat();

/** @throws InputError that says what the config.json asks for */
export function refuse(file: string, what: string, supported = 'use another model'): never {
  throw new InputError(`${file} asks for ${what}, which is not supported; ${supported}.`);
}

/** @throws InputError that names the key of the file that does not fit the schema */
export function parseConfig<S extends z.ZodObject>(
  file: string,
  schema: S,
  json: Record<string, unknown>,
): z.output<S> {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [{ path, message }] = parsed.error.issues;
  throw new InputError(`${file}: "${path.join('.')}" is wrong (${message}): use the model's own file.`);
}

/** The number of tokens of the longest supported sequence. */
export const contextLength = ({ maxPositions, slidingWindow = Infinity }: ModelConfig): number =>
  Math.min(maxPositions, slidingWindow);

/** @throws InputError when a sequence of `length` tokens is longer than supported, with `remedy`: what to do about it */
export function checkSequenceLength(
  config: ModelConfig,
  length: number,
  remedy = 'shorten the prompt or its response',
): void {
  if (length > config.maxPositions) {
    throw new InputError(
      `a sequence of ${length} tokens is longer than the model's ${config.maxPositions} positions: ${remedy}.`,
    );
  }
  if (config.slidingWindow !== undefined && length > config.slidingWindow) {
    throw new InputError(
      `a sequence of ${length} tokens is longer than the model's sliding window of ${config.slidingWindow}, ` +
        `which is not supported: ${remedy}.`,
    );
  }
}
