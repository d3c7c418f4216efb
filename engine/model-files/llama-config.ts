/** The layers of a model of the Llama family, from its config.json: the architectures that the onnx backend computes. */
import { join } from 'node:path';
import { z } from 'zod';
import { InputError } from '../../data/errors.ts';
import {
  MAX_LAYERS,
  MAX_SIZE,
  parseConfig,
  readModelConfig,
  refuse,
  ropeSettings,
  type ModelConfig,
} from './config.ts';
import { readJson } from './json-file.ts';

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
export interface LlamaConfig extends ModelConfig {
  hiddenSize: number;
  intermediateSize: number;
  layers: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  normEpsilon: number;
  tieEmbeddings: boolean;
  /** Biases of the query, key and value projections. */
  attentionBias: boolean;
  /** Bias of the output projection. */
  outputBias: boolean;
  mlpBias: boolean;
  /** Normalized queries and keys, as in Qwen3. */
  qkNorm: boolean;
  rope: Rope;
}

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
  hidden_size: z.int().positive().max(MAX_SIZE),
  intermediate_size: z.int().positive().max(MAX_SIZE),
  num_hidden_layers: z.int().positive().max(MAX_LAYERS),
  num_attention_heads: z.int().positive().max(MAX_SIZE),
  num_key_value_heads: z.int().positive().nullish(),
  head_dim: z.int().positive().max(MAX_SIZE).nullish(),
  rms_norm_eps: z.number().positive().default(1e-6),
  hidden_act: z.string().default('silu'),
  tie_word_embeddings: z.boolean().optional(),
  attention_bias: z.boolean().default(false),
  mlp_bias: z.boolean().default(false),
  rope_theta: z.number().positive().optional(),
  rope_scaling: ropeSchema.nullish(),
  rope_parameters: ropeSchema.nullish(),
});
type RawConfig = z.infer<typeof configSchema>;

/** What an architecture implies beyond its config.json. */
interface Family {
  tieEmbeddings: boolean;
  qkvBias: (raw: RawConfig) => boolean;
  outputBias: (raw: RawConfig) => boolean;
  mlpBias: (raw: RawConfig) => boolean;
  qkNorm: boolean;
  /** If it is not the hidden size divided by the number of heads. */
  headDim?: number;
}

const no = () => false;
const asConfigured = (raw: RawConfig) => raw.attention_bias;
const plain = { tieEmbeddings: false, qkvBias: no, outputBias: no, mlpBias: no, qkNorm: false };

const families: Record<string, Family> = {
  Llama: { ...plain, qkvBias: asConfigured, outputBias: asConfigured, mlpBias: (raw) => raw.mlp_bias },
  Mistral: plain,
  Qwen2: { ...plain, qkvBias: () => true },
  Qwen3: { ...plain, qkvBias: asConfigured, outputBias: asConfigured, qkNorm: true, headDim: 128 },
};

const familyOf = (architecture: string, task: Task): Family | undefined =>
  architecture.endsWith(`For${task}`) ? families[architecture.slice(0, -`For${task}`.length)] : undefined;

/** @throws InputError that says what the config.json asks for */
type Refusal = (what: string, supported?: string) => never;

/** Whether a language model's architecture is one of the Llama family. */
export const isLlama = (architecture: string): boolean => familyOf(architecture, 'CausalLM') !== undefined;

/**
 * Reads the layers of a model of the Llama family.
 * @param task that the model's architecture must be for
 * @throws InputError when a file is missing or damaged, or has something that the onnx backend does not support
 */
export function readLlamaConfig(folder: string, task: Task = 'CausalLM'): LlamaConfig {
  const file = join(folder, 'config.json');
  const config = readModelConfig(folder);
  const { architecture } = config;
  const unsupported: Refusal = (what, supported) => {
    if (task !== 'CausalLM') return refuse(file, what, supported && `supported are ${supported}`);
    const those = supported === undefined ? '' : ` (supported are ${supported})`;
    throw new InputError(
      `${file} asks for ${what}, which backend: onnx does not support${those}: ` +
        'set backend: torch and sample.backend: vllm, or use another model.',
    );
  };
  const family =
    familyOf(architecture, task) ??
    unsupported(
      `the architecture ${architecture}`,
      Object.keys(families)
        .map((name) => `${name}For${task}`)
        .join(', '),
    );
  const raw = parseConfig(file, configSchema, readJson(file));
  if (raw.hidden_act !== 'silu') unsupported(`the activation ${raw.hidden_act}`);
  const { num_attention_heads: heads, num_key_value_heads: kvHeads, ...rest } = raw;
  if (heads % (kvHeads ?? heads) !== 0) unsupported(`${heads} heads over ${kvHeads} key heads`);
  const headDim = rest.head_dim ?? family.headDim ?? rest.hidden_size / heads;
  if (!Number.isInteger(headDim)) unsupported(`${heads} heads in ${rest.hidden_size} dimensions`);
  return {
    ...config,
    hiddenSize: rest.hidden_size,
    intermediateSize: rest.intermediate_size,
    layers: rest.num_hidden_layers,
    heads,
    kvHeads: kvHeads ?? heads,
    headDim,
    normEpsilon: rest.rms_norm_eps,
    tieEmbeddings: rest.tie_word_embeddings ?? family.tieEmbeddings,
    attentionBias: family.qkvBias(raw),
    outputBias: family.outputBias(raw),
    mlpBias: family.mlpBias(raw),
    qkNorm: family.qkNorm,
    rope: readRope(raw, config.maxPositions, unsupported),
  };
}

/** Both styles: `rope_parameters`, and `rope_theta` with `rope_scaling`. */
function readRope(raw: RawConfig, maxPositions: number, unsupported: Refusal): Rope {
  const DEFAULT_THETA = 10_000;
  const parameters = ropeSettings(raw) ?? {};
  const theta = parameters.rope_theta ?? raw.rope_theta ?? DEFAULT_THETA;
  const type = parameters.rope_type ?? parameters.type ?? 'default';
  if ((parameters['partial_rotary_factor'] ?? raw['partial_rotary_factor'] ?? 1) !== 1)
    unsupported('a partial_rotary_factor');
  const need = (name: 'factor' | 'low_freq_factor' | 'high_freq_factor') =>
    parameters[name] ?? unsupported(`rope type "${type}" without "${name}"`);
  if (type === 'default') return { theta };
  if (type === 'linear') return { theta, scaling: { type, factor: need('factor') } };
  if (type !== 'llama3') return unsupported(`rope type "${type}"`, 'default, linear, llama3');
  const scaling = {
    type,
    factor: need('factor'),
    lowFreqFactor: need('low_freq_factor'),
    highFreqFactor: need('high_freq_factor'),
    originalMaxPositions: parameters.original_max_position_embeddings ?? maxPositions,
  } as const;
  return { theta, scaling };
}

/**
 * Angle per position (radians) of each pair of a head's dimensions, [headDim / 2]: theta^(-2i/d), scaled as configured. Llama 3's scaling
 * divides low frequencies by `factor`, keeps high ones, and interpolates between.
 */
export function ropeFrequencies({ headDim, rope: { theta, scaling } }: LlamaConfig): Float64Array {
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
