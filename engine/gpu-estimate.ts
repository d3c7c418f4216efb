/**
 * Estimates for the torch backend and vLLM: memory of each GPU, and speeds that others have published.
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
import { CHUNK_LOGITS, loraParameterCount, parameterCount } from './estimate.ts';
import type { ModelDimensions } from './model-files/dimensions.ts';
import type { TrainingSettings } from './protocol/settings.ts';

/** What the estimate of training reads of the settings. */
type GpuTraining = Pick<TrainingSettings, 'full' | 'lora' | 'microBatchTokens' | 'maxLength' | 'recompute'>;

/** Bytes of one GPU, by purpose. */
export type GpuMemory = Record<string, number>;

const RUNTIME = 1.5e9;
/** The share of a GPU's memory that an estimate may fill: the rest is for fragmentation, and for what the estimate does not know. */
const USABLE = 0.9;

export const totalOf = (memory: GpuMemory): number => Object.values(memory).reduce((sum, bytes) => sum + bytes, 0);

/** Whether `bytes` fit into a GPU with `gpuBytes`. */
export const fitsInto = (bytes: number, gpuBytes: number): boolean => bytes <= USABLE * gpuBytes;

/** Whether an estimate fits into a GPU with this many bytes. */
export const fits = (memory: GpuMemory, gpuBytes: number): boolean => fitsInto(totalOf(memory), gpuBytes);

/** Parameters of the embeddings, the output layer and the last norm. */
const outsideLayers = ({ shapes }: ModelDimensions): number =>
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

/** The smallest power of two of a worker's GPUs that hold one copy of the model for vLLM. Undefined if all of them do not. */
export function tensorParallelOf(
  config: ModelDimensions,
  gpus: number,
  tokens: number,
  gpuBytes: number,
): number | undefined {
  for (let size = 1; size <= gpus; size *= 2) if (fits(vllmMemory(config, size, tokens), gpuBytes)) return size;
  return undefined;
}

/**
 * A GPU's published speeds.
 *
 * Training: torchtitan reports 33 % of the bfloat16 peak (989 TFLOP/s) for Llama 3.1 8B on 8 H100 with FSDP2 and without torch.compile
 * (github.com/pytorch/torchtitan, docs/performance.md). Sampling: Lambda measured 3,281 output tokens per second with
 * Mistral-7B-Instruct-v0.3 on one H100, with vLLM 0.5.4 and 320 requests at a time (github.com/LambdaLabsML/vllm-benchmark,
 * benchmark_v0.md); newer versions of vLLM are faster.
 */
export const PUBLISHED = {
  trainingFlops: 0.33 * 989e12,
  sampledTokens: 3281,
  /** Parameters of the model that sampled so fast. Another model is assumed to be slower by its size. */
  sampledParameters: 7.248e9,
  source:
    'published for an H100: training at 33 % of its bfloat16 peak (torchtitan, docs/performance.md: Llama 3.1 8B, 8 H100, FSDP2), ' +
    'sampling 3,281 tokens/s (Lambda, vllm-benchmark: Mistral-7B, vLLM 0.5.4), by the size of the model',
};

/** Output tokens per second of one GPU with vLLM. */
export const sampledPerSecond = (config: ModelDimensions): number =>
  (PUBLISHED.sampledTokens * PUBLISHED.sampledParameters) / parameterCount(config);

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
