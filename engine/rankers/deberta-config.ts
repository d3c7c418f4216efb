/** The configuration of PairRM's DeBERTa, from a folder in either of the authors' formats. */
import { join } from 'node:path';
import { z } from 'zod';
import { InputError } from '../../data/errors.ts';
import { MAX_LAYERS, MAX_SIZE, MAX_VOCABULARY } from '../model-files/config.ts';
import { readJson } from '../model-files/json-file.ts';
import { openModelWeights } from '../model-files/weights.ts';

/** The settings of PairRM and its encoder. */
export interface PairRmConfig {
  vocabSize: number;
  hiddenSize: number;
  intermediateSize: number;
  layers: number;
  heads: number;
  normEpsilon: number;
  /** Relative positions up to half of this have one embedding each, further ones share those of logarithmic buckets. 0: no buckets. */
  positionBuckets: number;
  /** The relative position from which on all have the same embedding. */
  maxRelativePositions: number;
  tasks: number;
  /** Most tokens of a prompt. */
  sourceMaxLength: number;
  /** Most tokens of a candidate beside the longest prompt. With a shorter prompt, each candidate gets half of the tokens left. */
  candidateMaxLength: number;
}

/** The authors' limits, which are not in DebertaV2PairRM's config.json. */
const LENGTHS = { sourceMaxLength: 1224, candidateMaxLength: 412 };

/** What all microsoft/deberta-v3-* have in common; the rest follows from the shapes of their tensors. */
const V3 = { headDim: 64, normEpsilon: 1e-7, maxRelativePositions: 512 };

const positiveInt = z.int().positive();
const size = positiveInt.max(MAX_SIZE);
const length = positiveInt.max(MAX_SIZE / 16);
const transformersSchema = z.looseObject({
  vocab_size: positiveInt.max(MAX_VOCABULARY),
  hidden_size: size,
  intermediate_size: size,
  num_hidden_layers: positiveInt.max(MAX_LAYERS),
  num_attention_heads: size,
  max_position_embeddings: size.default(512),
  max_relative_positions: z.int().max(MAX_SIZE).default(-1),
  position_buckets: z.int().max(MAX_SIZE).default(-1),
  layer_norm_eps: z.number().positive().default(1e-7),
  n_tasks: positiveInt.default(1),
  hidden_act: z.string().default('gelu'),
  embedding_size: z.int().optional(),
  attention_head_size: z.int().optional(),
  relative_attention: z.boolean().default(false),
  position_biased_input: z.boolean().default(true),
  share_att_key: z.boolean().default(false),
  norm_rel_ebd: z.string().default('none'),
  pos_att_type: z.union([z.string(), z.array(z.string())]).nullish(),
  type_vocab_size: z.int().default(0),
  conv_kernel_size: z.int().nullish(),
});
const blenderSchema = z.looseObject({
  ranker_type: z.string(),
  model_type: z.string(),
  model_name: z.string(),
  n_tasks: positiveInt.default(1),
  source_maxlength: length.default(LENGTHS.sourceMaxLength),
  candidate_maxlength: length.default(LENGTHS.candidateMaxLength),
});

/**
 * Reads config.json.
 * @throws InputError when it is missing or damaged, or describes another model
 */
export function readPairRmConfig(folder: string): PairRmConfig {
  const file = join(folder, 'config.json');
  const json = readJson(file);
  if ('ranker_type' in json) return ofBlender(file, folder, parse(file, blenderSchema, json));
  const architecture = (json['architectures'] as string[] | undefined)?.[0] ?? `model_type "${json['model_type']}"`;
  if (architecture !== 'DebertaV2PairRM') {
    throw new InputError(
      `${file} asks for the architecture ${architecture}, which is not PairRM's: ` +
        'use llm-blender/PairRM-hf, or a reward model with reward-model.',
    );
  }
  return ofTransformers(file, parse(file, transformersSchema, json));
}

function parse<S extends z.ZodObject>(file: string, schema: S, json: unknown): z.output<S> {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [{ path, message }] = parsed.error.issues;
  throw new InputError(`${file}: "${path.join('.')}" is wrong (${message}): use the model's own config.json.`);
}

function ofTransformers(file: string, raw: z.output<typeof transformersSchema>): PairRmConfig {
  const refuse = (what: string): never => {
    throw new InputError(`${file} asks for ${what}, which is not supported; supported is DeBERTa-v3 as in PairRM.`);
  };
  const { hidden_size: hiddenSize, num_attention_heads: heads } = raw;
  const positions = new Set([raw.pos_att_type ?? []].flat().flatMap((types) => types.split('|')));
  if (!raw.relative_attention) refuse('absolute attention (relative_attention)');
  if (!raw.share_att_key) refuse('projections of positions of their own (share_att_key)');
  if (!positions.has('c2p') || !positions.has('p2c')) refuse(`the attention terms "${[...positions]}" (pos_att_type)`);
  if (!raw.norm_rel_ebd.includes('layer_norm')) refuse('positions that are not normalized (norm_rel_ebd)');
  if (raw.position_biased_input) refuse('absolute positions (position_biased_input)');
  if (raw.type_vocab_size > 0) refuse('token types (type_vocab_size)');
  if (raw.conv_kernel_size) refuse('a convolution (conv_kernel_size)');
  if (raw.hidden_act !== 'gelu') refuse(`the activation ${raw.hidden_act}`);
  if ((raw.embedding_size ?? hiddenSize) !== hiddenSize) refuse('embeddings of another size (embedding_size)');
  if (hiddenSize % heads !== 0 || (raw.attention_head_size ?? hiddenSize / heads) !== hiddenSize / heads)
    refuse(`${heads} heads in ${hiddenSize} dimensions`);
  return {
    vocabSize: raw.vocab_size,
    hiddenSize,
    intermediateSize: raw.intermediate_size,
    layers: raw.num_hidden_layers,
    heads,
    normEpsilon: raw.layer_norm_eps,
    positionBuckets: Math.max(raw.position_buckets, 0),
    maxRelativePositions: raw.max_relative_positions < 1 ? raw.max_position_embeddings : raw.max_relative_positions,
    tasks: raw.n_tasks,
    ...LENGTHS,
  };
}

/** llm_blender's own format names the base model, from which the rest follows. */
function ofBlender(file: string, folder: string, raw: z.output<typeof blenderSchema>): PairRmConfig {
  if (raw.ranker_type !== 'pairranker' || !raw.model_name.startsWith('microsoft/deberta-v3-')) {
    throw new InputError(
      `${file} asks for a ${raw.ranker_type} over ${raw.model_name}, which is not supported; ` +
        'supported is a pairranker over microsoft/deberta-v3-*.',
    );
  }
  const tensors = openModelWeights(folder);
  const shapeOf = (name: string): number[] => {
    const entry = tensors.get(`pretrained_model.${name}`);
    if (entry) return entry.shape;
    throw new InputError(
      `${folder} has no tensor "pretrained_model.${name}", which PairRM needs: use a complete download.`,
    );
  };
  const [vocabSize, hiddenSize] = shapeOf('embeddings.word_embeddings.weight');
  const layers = [...tensors.keys()].filter((name) => name.endsWith('.intermediate.dense.weight')).length;
  return {
    vocabSize,
    hiddenSize,
    intermediateSize: shapeOf('encoder.layer.0.intermediate.dense.weight')[0],
    layers,
    heads: hiddenSize / V3.headDim,
    normEpsilon: V3.normEpsilon,
    positionBuckets: shapeOf('encoder.rel_embeddings.weight')[0] / 2,
    maxRelativePositions: V3.maxRelativePositions,
    tasks: raw.n_tasks,
    sourceMaxLength: raw.source_maxlength,
    candidateMaxLength: raw.candidate_maxlength,
  };
}
