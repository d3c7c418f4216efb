/** Hugging Face's config.json of a model of the Llama family. Unsupported settings are errors. */
import { join } from 'node:path';
import { z } from 'zod';
import { InputError } from '../../data/errors.ts';
import { findJson, readJson } from './json-file.ts';

/** Rotary position embeddings: the base frequency, and its scaling for long contexts. */
interface Rope {
  theta: number;
  scaling?:
    | { type: 'linear'; factor: number }
    | { type: 'llama3'; factor: number; lowFreqFactor: number; highFreqFactor: number; originalMaxPositions: number };
}

/** The model's head: over the vocabulary, or over labels, such as a reward. */
export type Task = 'CausalLM' | 'SequenceClassification';

/** A model's dimensions and options. */
export interface ModelConfig {
  architecture: string;
  vocabSize: number;
  hiddenSize: number;
  intermediateSize: number;
  layers: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  maxPositions: number;
  normEpsilon: number;
  tieEmbeddings: boolean;
  /** Number of outputs of a sequence classifier; absent in a language model. */
  labels?: number;
  /** Biases of the query, key and value projections. */
  attentionBias: boolean;
  /** Bias of the output projection. */
  outputBias: boolean;
  mlpBias: boolean;
  /** Normalized queries and keys, as in Qwen3. */
  qkNorm: boolean;
  /** Number of positions that a token attends to. Sequences up to this length are computed with full attention. */
  slidingWindow?: number;
  rope: Rope;
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

const ropeSchema = z.looseObject({
  rope_type: z.string().optional(),
  type: z.string().optional(),
  rope_theta: z.number().positive().optional(),
  factor: z.number().positive().optional(),
  low_freq_factor: z.number().positive().optional(),
  high_freq_factor: z.number().positive().optional(),
  original_max_position_embeddings: z.number().positive().optional(),
});

const configSchema = z.looseObject({
  architectures: z.array(z.string()).min(1).optional(),
  model_type: z.string().optional(),
  vocab_size: z.int().positive().max(MAX_VOCABULARY),
  hidden_size: z.int().positive().max(MAX_SIZE),
  intermediate_size: z.int().positive().max(MAX_SIZE),
  num_hidden_layers: z.int().positive().max(MAX_LAYERS),
  num_attention_heads: z.int().positive().max(MAX_SIZE),
  num_key_value_heads: z.int().positive().nullish(),
  head_dim: z.int().positive().max(MAX_SIZE).nullish(),
  max_position_embeddings: z.int().positive().default(2048),
  rms_norm_eps: z.number().positive().default(1e-6),
  hidden_act: z.string().default('silu'),
  tie_word_embeddings: z.boolean().optional(),
  attention_bias: z.boolean().default(false),
  mlp_bias: z.boolean().default(false),
  sliding_window: z.int().positive().nullish(),
  use_sliding_window: z.boolean().optional(),
  max_window_layers: z.int().nonnegative().default(28),
  layer_types: z.array(z.string()).nullish(),
  rope_theta: z.number().positive().optional(),
  rope_scaling: ropeSchema.nullish(),
  rope_parameters: ropeSchema.nullish(),
  bos_token_id: ids,
  eos_token_id: ids,
  pad_token_id: ids,
  quantization_config: z.unknown().optional(),
  num_labels: z.int().positive().optional(),
  id2label: z.record(z.string(), z.unknown()).optional(),
});
type RawConfig = z.infer<typeof configSchema>;
const generationSchema = z.looseObject({ eos_token_id: ids });

/** What an architecture implies beyond its config.json. */
interface Family {
  tieEmbeddings: boolean;
  qkvBias: (raw: RawConfig) => boolean;
  outputBias: (raw: RawConfig) => boolean;
  mlpBias: (raw: RawConfig) => boolean;
  qkNorm: boolean;
  /** If it is not the hidden size divided by the number of heads. */
  headDim?: number;
  slidingWindow: (raw: RawConfig) => number | null | undefined;
}

const no = () => false;
const asConfigured = (raw: RawConfig) => raw.attention_bias;
const plain = { tieEmbeddings: false, qkvBias: no, outputBias: no, mlpBias: no, qkNorm: false };

/** transformers' default if the file has none. */
const windowOf = (raw: RawConfig) => (raw.sliding_window === undefined ? 4096 : raw.sliding_window);

/** The layers from `max_window_layers` on have the window, or those named in `layer_types`. */
function windowIfUsed(raw: RawConfig): number | null | undefined {
  if (!raw.use_sliding_window) return undefined;
  const { layer_types: types, max_window_layers: full, num_hidden_layers: layers } = raw;
  const isUsed = types ? types.includes('sliding_attention') : layers > full;
  return isUsed ? windowOf(raw) : undefined;
}

const families: Record<string, Family> = {
  Llama: {
    ...plain,
    qkvBias: asConfigured,
    outputBias: asConfigured,
    mlpBias: (raw) => raw.mlp_bias,
    slidingWindow: () => undefined,
  },
  Mistral: { ...plain, slidingWindow: windowOf },
  Qwen2: { ...plain, qkvBias: () => true, slidingWindow: windowIfUsed },
  Qwen3: {
    ...plain,
    qkvBias: asConfigured,
    outputBias: asConfigured,
    qkNorm: true,
    headDim: 128,
    slidingWindow: windowIfUsed,
  },
};

/**
 * Reads a model folder's config.json and generation_config.json.
 * @param task that the model's architecture must be for
 * @throws InputError when a file is missing or damaged, or has something that is not supported
 */
export function readModelConfig(folder: string, task: Task = 'CausalLM'): ModelConfig {
  const file = join(folder, 'config.json');
  const raw = parse(file, configSchema, readJson(file));
  const refuse = (what: string, supported = ''): never => {
    throw new InputError(`${file} asks for ${what}, which is not supported; ${supported || 'use another model'}.`);
  };
  const architecture = raw.architectures?.[0] ?? `model_type "${raw.model_type}"`;
  const family =
    (architecture.endsWith(`For${task}`) && families[architecture.slice(0, -`For${task}`.length)]) ||
    refuse(
      `the architecture ${architecture}`,
      `supported are ${Object.keys(families)
        .map((name) => `${name}For${task}`)
        .join(', ')}`,
    );
  if (raw.hidden_act !== 'silu') refuse(`the activation ${raw.hidden_act}`);
  if (raw.quantization_config) refuse('quantized weights (quantization_config)');
  if (raw['transformers_weights']) refuse(`weights in a file of another name (transformers_weights)`);
  if (raw['num_local_experts'] || raw['num_experts']) refuse('a mixture of experts');
  const { num_attention_heads: heads, num_key_value_heads: kvHeads, sliding_window: _, ...rest } = raw;
  if (heads % (kvHeads ?? heads) !== 0) refuse(`${heads} heads over ${kvHeads} key heads`);
  const headDim = rest.head_dim ?? family.headDim ?? rest.hidden_size / heads;
  if (!Number.isInteger(headDim)) refuse(`${heads} heads in ${rest.hidden_size} dimensions`);
  const generation = join(folder, 'generation_config.json');
  const generationIds = parse(generation, generationSchema, findJson(generation) ?? {}).eos_token_id;
  const window = family.slidingWindow(raw);
  return {
    architecture,
    vocabSize: rest.vocab_size,
    hiddenSize: rest.hidden_size,
    intermediateSize: rest.intermediate_size,
    layers: rest.num_hidden_layers,
    heads,
    kvHeads: kvHeads ?? heads,
    headDim,
    maxPositions: rest.max_position_embeddings,
    normEpsilon: rest.rms_norm_eps,
    tieEmbeddings: rest.tie_word_embeddings ?? family.tieEmbeddings,
    ...(task === 'SequenceClassification' && { labels: labelsOf(raw) }),
    attentionBias: family.qkvBias(raw),
    outputBias: family.outputBias(raw),
    mlpBias: family.mlpBias(raw),
    qkNorm: family.qkNorm,
    ...(window && { slidingWindow: window }),
    rope: readRope(raw, refuse),
    bosId: list(rest.bos_token_id)[0],
    eosIds: [...new Set([...list(rest.eos_token_id), ...list(generationIds)])],
    padId: list(rest.pad_token_id)[0],
  };
}

/** transformers writes the labels' names instead of their number, and neither if there are two. */
const labelsOf = ({ num_labels, id2label }: RawConfig) =>
  num_labels ?? (id2label ? Object.keys(id2label).length : DEFAULT_LABELS);
const DEFAULT_LABELS = 2;

const list = (value: number | number[] | null | undefined): number[] =>
  value === null || value === undefined ? [] : [value].flat();

function parse<S extends z.ZodObject>(file: string, schema: S, json: Record<string, unknown>): z.output<S> {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [{ path, message }] = parsed.error.issues;
  throw new InputError(`${file}: "${path.join('.')}" is wrong (${message}): use the model's own file.`);
}

/** Both styles: `rope_parameters`, and `rope_theta` with `rope_scaling`. */
function readRope(raw: RawConfig, refuse: (what: string, supported?: string) => never): Rope {
  const DEFAULT_THETA = 10_000;
  const parameters = raw.rope_parameters ?? raw.rope_scaling ?? {};
  const theta = parameters.rope_theta ?? raw.rope_theta ?? DEFAULT_THETA;
  const type = parameters.rope_type ?? parameters.type ?? 'default';
  if ((parameters['partial_rotary_factor'] ?? raw['partial_rotary_factor'] ?? 1) !== 1)
    refuse('a partial_rotary_factor');
  const need = (name: 'factor' | 'low_freq_factor' | 'high_freq_factor') =>
    parameters[name] ?? refuse(`rope type "${type}" without "${name}"`);
  if (type === 'default') return { theta };
  if (type === 'linear') return { theta, scaling: { type, factor: need('factor') } };
  if (type !== 'llama3') return refuse(`rope type "${type}"`, 'supported are default, linear, llama3');
  const scaling = {
    type,
    factor: need('factor'),
    lowFreqFactor: need('low_freq_factor'),
    highFreqFactor: need('high_freq_factor'),
    originalMaxPositions: parameters.original_max_position_embeddings ?? raw.max_position_embeddings,
  } as const;
  return { theta, scaling };
}

/**
 * Angle per position (radians) of each pair of a head's dimensions, [headDim / 2]: theta^(-2i/d), scaled as configured. Llama 3's scaling
 * divides low frequencies by `factor`, keeps high ones, and interpolates between.
 */
export function ropeFrequencies({ headDim, rope: { theta, scaling } }: ModelConfig): Float64Array {
  const plainFrequencies = Float64Array.from({ length: headDim / 2 }, (_, i) => theta ** ((-2 * i) / headDim));
  if (!scaling) return plainFrequencies;
  if (scaling.type === 'linear') return plainFrequencies.map((frequency) => frequency / scaling.factor);
  const { factor, lowFreqFactor, highFreqFactor, originalMaxPositions } = scaling;
  return plainFrequencies.map((frequency) => {
    const wavelength = (2 * Math.PI) / frequency;
    if (wavelength < originalMaxPositions / highFreqFactor) return frequency;
    if (wavelength > originalMaxPositions / lowFreqFactor) return frequency / factor;
    const smooth = (originalMaxPositions / wavelength - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
    return ((1 - smooth) * frequency) / factor + smooth * frequency;
  });
}

/** The number of tokens of the longest supported sequence. */
export const contextLength = ({ maxPositions, slidingWindow = Infinity }: ModelConfig): number =>
  Math.min(maxPositions, slidingWindow);

/** @throws InputError when a sequence of `length` tokens is longer than supported */
export function checkSequenceLength(config: ModelConfig, length: number): void {
  if (length > config.maxPositions) {
    throw new InputError(
      `a sequence of ${length} tokens is longer than the model's ${config.maxPositions} positions: shorten the prompt or its response.`,
    );
  }
  if (config.slidingWindow !== undefined && length > config.slidingWindow) {
    throw new InputError(
      `a sequence of ${length} tokens is longer than the model's sliding window of ${config.slidingWindow}, ` +
        'which is not supported: shorten it.',
    );
  }
}
