/**
 * Estimates of memory for the torch backend and vLLM (speeds: gpu-speeds.ts; jobs beside vLLM: beside-estimate.ts).
 *
 * Training with FSDP2 over R ranks, in bytes of one GPU, with N parameters, n in one layer, e outside the layers (embeddings and output
 * layer), M in the LoRA adapter, c bytes per number that matrix products compute with (2 in bfloat16, 4 in float32), hidden size h,
 * feed-forward size f, k = key heads x head size, L layers, and T tokens of a micro-batch:
 * - sharded: float32 weights, gradients and AdamW's two moments of what is trained, 16 N / R; with LoRA, (c N + 16 M) / R.
 * - gathered: FSDP2 gathers a layer while the one before it computes, and keeps what is outside the layers: c (2 n + e). If these
 *   weights are trained, their gradients exist whole before they are summed over the ranks in float32: (c + 4) (n + e).
 * - activations: 32 h + 8 k + 16 f bytes per token and layer in float32, which is an upper bound for bfloat16 with its float32 norms and
 *   LoRA branches. With recomputation, every layer keeps its input, and one layer at a time the rest: T (4 h L + 32 h + 8 k + 16 f).
 * - logits exist for a chunk of tokens, as logits, softmax and cotangents.
 * - runtime: CUDA's context, its libraries' workspaces and NCCL's buffers. An assumption.
 */
import { sum } from '../data/numbers.ts';
import { CHUNK_LOGITS, loraParameterCount, parameterCount } from './estimate.ts';
import type { ModelDimensions } from './model-files/dimensions.ts';
import type { TrainingSettings } from './protocol/settings.ts';
import { checkpointBytes, CHECKPOINTS, savedBytes } from './training/saved-size.ts';

/** What the estimate of training reads of the settings. */
type GpuTraining = Pick<TrainingSettings, 'full' | 'lora' | 'microBatchTokens' | 'maxLength' | 'recompute'>;

/** Bytes of one GPU, by purpose. */
export type GpuMemory = Record<string, number>;

export const RUNTIME = 1.5e9;
/** The share of a GPU's memory that an estimate may fill: the rest is for fragmentation, and for what the estimate does not know. */
export const USABLE = 0.9;

/** The sum of the parts, in bytes per GPU. */
export const totalOf = (memory: GpuMemory): number => sum(Object.values(memory));

/** Whether `bytes` fit into a GPU with `gpuBytes`. */
export const fitsInto = (bytes: number, gpuBytes: number): boolean => bytes <= USABLE * gpuBytes;

/** Whether an estimate fits into a GPU with this many bytes. */
export const fits = (memory: GpuMemory, gpuBytes: number): boolean => fitsInto(totalOf(memory), gpuBytes);

/** Parameters of the embeddings, the output layer and the last norm. */
export const outsideLayers = ({ shapes }: ModelDimensions): number =>
  parameterCount({ shapes: new Map([...shapes].filter(([name]) => !/\.\d+\./.test(name))) });

/**
 * Memory of each GPU for training.
 * @param ranks number of GPUs that train together
 * @param computeBytes bytes of a number in matrix products: 2 (bfloat16, on GPUs) or 4 (float32, on the CPU)
 */
export function gpuTrainingMemory(
  config: ModelDimensions,
  { full, lora, microBatchTokens, maxLength, recompute }: GpuTraining,
  ranks: number,
  computeBytes: 2 | 4 = 2,
): GpuMemory {
  const { layers, hiddenSize, intermediateSize, kvHeads, headDim, vocabSize } = config;
  const all = parameterCount(config);
  const outside = outsideLayers(config);
  const perLayer = (all - outside) / layers;
  const trained = full ? all : loraParameterCount(config, lora);
  const tokens = Math.max(microBatchTokens, maxLength);
  const kept = 32 * hiddenSize + 8 * kvHeads * headDim + 16 * intermediateSize;
  return {
    ...(!full && { 'frozen weights': (computeBytes * all) / ranks }),
    'trained weights': (4 * trained) / ranks,
    gradients: (4 * trained) / ranks,
    optimizer: (8 * trained) / ranks,
    gathered: computeBytes * (2 * perLayer + outside) + (full ? (computeBytes + 4) * (perLayer + outside) : 0),
    activations: tokens * (recompute ? 4 * hiddenSize * layers + kept : kept * layers),
    logits: 3 * 4 * Math.min(tokens * vocabSize, CHUNK_LOGITS),
    runtime: RUNTIME,
  };
}

/**
 * The least memory of each GPU for sampling with vLLM: its part of the bfloat16 weights, and the key-value cache of one sequence. vLLM
 * uses the rest of the GPU for the cache of further sequences.
 * @param tensorParallel number of GPUs that share one copy of the model
 * @param tokens of the longest prompt with its response
 */
export function vllmMemory(config: ModelDimensions, tensorParallel: number, tokens: number): GpuMemory {
  const { layers, kvHeads, headDim } = config;
  return {
    weights: (2 * parameterCount(config)) / tensorParallel,
    'key-value cache': (2 * 2 * layers * kvHeads * headDim * tokens) / tensorParallel,
    runtime: RUNTIME,
  };
}

/** Memory of the machine for the worker and its libraries, and for the process of each rank. Assumptions. */
const HOST_RUNTIME = 4e9;
export const RANK_RUNTIME = 2.5e9;
/** Of a file of a saved model: weights.py holds one in memory. */
const SAVED_FILE = 5e9;

/**
 * Memory of the machine, not of its GPUs, for training: a checkpoint is copied there before it is written (dcp.async_save), the float32
 * weights and AdamW's two moments of all ranks.
 */
export function hostMemory(config: ModelDimensions, { full, lora }: GpuTraining, ranks: number): GpuMemory {
  const trained = full ? parameterCount(config) : loraParameterCount(config, lora);
  return {
    processes: HOST_RUNTIME + ranks * RANK_RUNTIME,
    'checkpoint in progress': checkpointBytes(trained),
    'saved weights': Math.min(savedBytes(trained), SAVED_FILE),
  };
}

/**
 * Bytes on a worker's disk: the model's files in bfloat16; the policies of this round and the one before it, in float32; and two
 * checkpoints, since the older one is removed when the newer one is complete.
 */
export function diskSpace(config: ModelDimensions, { full, lora }: GpuTraining): GpuMemory {
  const all = parameterCount(config);
  const trained = full ? all : loraParameterCount(config, lora);
  return { model: 2 * all, policies: 2 * savedBytes(trained), checkpoints: CHECKPOINTS * checkpointBytes(trained) };
}

/** Numbers of GPUs of one machine. */
const MACHINES = [2, 4, 8];

/** Changes that need less memory, the smallest change first; the first one is none. */
function* cheaper({ microBatchTokens, maxLength, recompute }: GpuTraining): Generator<Partial<GpuTraining>> {
  for (let tokens = microBatchTokens; ; tokens = Math.max(maxLength, Math.floor(tokens / 2))) {
    const change = tokens < microBatchTokens ? { microBatchTokens: tokens } : {};
    yield change;
    if (!recompute) yield { ...change, recompute: true };
    if (tokens <= maxLength) return;
  }
}

/** Settings with which training fits into GPUs of this size: with as many GPUs, with more GPUs, and with LoRA. Empty if there are none. */
export function whatWouldFit(config: ModelDimensions, training: GpuTraining, gpus: number, gpuBytes: number): string[] {
  const found = (more: Partial<GpuTraining>, ranks: number): string[] | undefined => {
    for (const change of cheaper(training)) {
      if (!fits(gpuTrainingMemory(config, { ...training, ...change, ...more }, ranks), gpuBytes)) continue;
      const settings = Object.entries(change).map(([name, value]) => `optimize.${name}: ${value}`);
      return [...(ranks > gpus ? [`gpus: ${ranks}`] : []), ...settings];
    }
    return undefined;
  };
  const machine = MACHINES.find((ranks) => ranks > gpus && found({}, ranks));
  const lora = training.full ? found({ full: false }, gpus) : undefined;
  const ways = [
    found({}, gpus),
    machine && found({}, machine),
    lora && ['optimize.full: false (a LoRA adapter)', ...lora],
  ];
  return ways.flatMap((settings) => (settings ? settings.join(', ') : []));
}
