/**
 * Memory of the torch backend's jobs that may run beside vLLM: divergence, and PairRM's rank. Nothing is trained.
 *
 * divergence, in bytes of one rank, with the symbols of gpu-estimate.ts, and A parameters of the adapters of both policies:
 * - weights: both policies, sharded over the ranks, (2 c N + 4 A) / R.
 * - gathered: of one policy at a time a layer and the next one, of both what is outside the layers: c (2 n + 2 e).
 * - activations: without gradients at most what a training keeps of one layer, and the final hidden states of both policies:
 *   T (32 h + 8 k + 16 f + 8 h).
 * - logits: of a chunk of tokens, six matrices in float32: logits and their log-softmax for both policies, probabilities, and terms.
 *
 * rank: every rank has all of PairRM in float32. With a heads and sequences of at most S tokens, DeBERTa's attention has at most six
 * matrices of T a S scores at a time: content to content, content to position, position to content, and their sums.
 */
import { InputError } from '../data/errors.ts';
import { CHUNK_LOGITS, parameterCount } from './estimate.ts';
import { outsideLayers, RANK_RUNTIME, RUNTIME, totalOf, type GpuMemory } from './gpu-estimate.ts';
import { readAdapterConfig } from './model-files/adapter-config.ts';
import { readDimensions, type ModelDimensions } from './model-files/dimensions.ts';
import { linearLayers } from './model-files/linear-layers.ts';
import { scoringTokens, type ComputeSettings, type Device } from './protocol/compute.ts';
import type { DivergenceJob, EngineMethod, JobOf, Policy, RankJob } from './protocol/jobs.ts';
import { readPairRmConfig, type PairRmConfig } from './rankers/deberta-config.ts';

/** Jobs that may run beside vLLM. */
export type BesideMethod = 'divergence' | 'rank';

/** The device of the ranks, and their number. */
export type Placement = Required<Pick<ComputeSettings, 'device' | 'gpus'>>;

/** The parts of PairRM's configuration that its memory depends on. */
type PairRmShape = Omit<PairRmConfig, 'normEpsilon' | 'maxRelativePositions'>;

/** llm-blender/PairRM-hf, for an estimate before the labeler's folder is known. */
export const PAIRRM: PairRmShape = {
  vocabSize: 128_104,
  hiddenSize: 1024,
  intermediateSize: 4096,
  layers: 24,
  heads: 16,
  positionBuckets: 256,
  tasks: 1,
  sourceMaxLength: 1224,
  candidateMaxLength: 412,
};

/** Policies on a GPU have two bytes per number; the CPU computes in float32. A rank is a process of the machine there. */
const bytesPerNumber = (device: Device) => (device === 'cuda' ? 2 : 4);
const runtimeOf = (device: Device) => (device === 'cuda' ? RUNTIME : RANK_RUNTIME);

/**
 * Memory of each rank for the KL divergence of two policies with one base model.
 * @param adapters parameters of the adapters of both policies
 * @param longest tokens of the longest prompt with its response, if that is more than a micro-batch
 */
export function divergenceMemory(
  model: ModelDimensions,
  adapters: number,
  { device, gpus }: Placement,
  longest = 0,
): GpuMemory {
  const { layers, hiddenSize, intermediateSize, kvHeads, headDim, vocabSize } = model;
  const [all, outside] = [parameterCount(model), outsideLayers(model)];
  const bytes = bytesPerNumber(device);
  const tokens = Math.max(scoringTokens({ device }), longest);
  return {
    weights: (2 * bytes * all + 4 * adapters) / gpus,
    gathered: bytes * ((2 * (all - outside)) / layers + 2 * outside),
    activations: tokens * (40 * hiddenSize + 8 * kvHeads * headDim + 16 * intermediateSize),
    logits: 6 * 4 * Math.min(tokens * vocabSize, CHUNK_LOGITS),
    runtime: runtimeOf(device),
  };
}

/** Memory of each rank for PairRM. */
export function rankMemory(shape: PairRmShape, { device }: Pick<Placement, 'device'>): GpuMemory {
  const { vocabSize, hiddenSize: h, intermediateSize: f, layers, heads, positionBuckets, tasks } = shape;
  const longest = shape.sourceMaxLength + 2 * shape.candidateMaxLength;
  const tokens = Math.max(scoringTokens({ device }), longest);
  const parameters = vocabSize * h + layers * (4 * h * h + 2 * h * f) + 2 * positionBuckets * h + (2 * h + tasks) * h;
  return {
    weights: 4 * parameters,
    attention: 6 * 4 * tokens * heads * longest,
    activations: tokens * (32 * h + 16 * f),
    runtime: runtimeOf(device),
  };
}

/** Parameters of a policy's adapter. */
function adapterCount({ adapter }: Policy, { shapes }: ModelDimensions): number {
  if (adapter === undefined) return 0;
  const { isTarget, rankOf } = readAdapterConfig(adapter);
  return [...linearLayers(shapes)].reduce(
    (total, [layer, [out, inputs]]) => total + (isTarget(layer) ? rankOf(layer) * (out + inputs) : 0),
    0,
  );
}

/**
 * Bytes of each GPU that jobs need beside a server of this policy, of which they compute the divergence from another one like it.
 * Responses fit into a micro-batch (assumed).
 * @param methods the jobs, which run one at a time
 * @returns 0 without jobs, and for a model whose dimensions are unknown
 */
export function roomBeside(methods: BesideMethod[], policy: Policy, ranks: Placement): number {
  const bytesOf = (method: BesideMethod): number => {
    if (method === 'rank') return totalOf(rankMemory(PAIRRM, ranks));
    const model = readDimensions(policy.model);
    return totalOf(divergenceMemory(model, 2 * adapterCount(policy, model), ranks));
  };
  return ifKnown(() => Math.max(0, ...methods.map(bytesOf))) ?? 0;
}

/**
 * Bytes of each GPU, or of the machine on the CPU, that a job needs.
 * @returns undefined for a job that needs the device alone, and for a model whose dimensions are unknown
 */
export function memoryBeside<M extends EngineMethod>(method: M, job: JobOf<M>): number | undefined {
  const ranks = placementOf(job as ComputeSettings);
  const each = ifKnown(() => {
    if (method === 'divergence') return ofDivergence(job as DivergenceJob, ranks);
    return method === 'rank' ? rankMemory(readPairRmConfig((job as RankJob).model), ranks) : undefined;
  });
  return each && totalOf(each) * (ranks.device === 'cpu' ? ranks.gpus : 1);
}

/** Where settings ask for ranks. */
export const placementOf = ({ device = 'cpu', gpus = 1 }: ComputeSettings): Placement => ({ device, gpus });

function ofDivergence({ policy, reference, rows }: DivergenceJob, ranks: Placement): GpuMemory {
  const model = readDimensions(policy.model);
  const adapters = adapterCount(policy, model) + adapterCount(reference, model);
  const longest = rows.reduce((most, row) => Math.max(most, tokensOf(row)), 0);
  return divergenceMemory(model, adapters, ranks, longest);
}

/** A prompt that is a text is not counted: vLLM's samples have its tokens. */
const tokensOf = (row: DivergenceJob['rows'][number]): number =>
  row.response_input_ids.length + ('prompt_input_ids' in row ? row.prompt_input_ids.length : 0);

/** The value that `read` computes from a model's files. Undefined if they are damaged, or say too little. */
function ifKnown<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof InputError) return undefined;
    throw error;
  }
}
