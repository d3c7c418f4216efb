/** The arguments of `vllm serve` for a policy on this machine. */
import { InputError } from '../../data/errors.ts';
import { gigabytes } from '../bytes.ts';
import type { Device } from '../protocol/compute.ts';

/** The name of the base model on the server. Adapters have names of their own. */
export const BASE_NAME = 'policy';

/** The ranks that vLLM allocates LoRA matrices for (MaxLoRARanks). */
const LORA_RANKS = [1, 8, 16, 32, 64, 128, 256, 320, 512];

/** Contexts are rounded up to a power of two, so that a few longer prompts do not restart the server. */
const SMALLEST_CONTEXT = 2048;

/** The share of a GPU's memory that weights may fill: best at most a half, so that the cache of keys and values has as much. */
export const GOOD_SHARE = 0.5;
const LARGEST_SHARE = 0.8;

/** vLLM's CPU build fails with chunked prefill and seeds, so that a prompt must fit into one batch. */
const CPU_BATCH_TOKENS = 16_384;

/** Requests that a copy of the model answers together: vLLM's own limit on a GPU (--max-num-seqs). */
const CONCURRENCY = { cuda: 256, cpu: 16 };

/** How many GPUs hold one copy of the model together, and how many copies there are. */
export interface Parallelism {
  tensor: number;
  data: number;
}

/** What a server is started for. */
export interface ServerSpec {
  /** The model's folder. */
  model: string;
  device: Device;
  /** Tokens of a prompt with its response. */
  context: number;
  /** The model's context, in tokens. */
  limit: number;
  /** The highest rank of adapters, as `loraRankFor` gives it. Undefined: the server takes no adapters. */
  loraRank?: number;
  parallelism: Parallelism;
  /** Bytes of the weights. */
  weights: number;
  /** Bytes of the smallest GPU; 0 on the CPU. */
  memory: number;
  /** Bytes of each GPU that jobs beside the server need; 0 without such jobs, and on the CPU. */
  room: number;
  /** Further arguments of `vllm serve`, which come last and so take precedence. */
  args: string[];
}

/** The precision of weights and activations: on a GPU that of training. */
export const dtypeOf = (device: Device): string => (device === 'cuda' ? 'bfloat16' : 'float32');

/** How many requests to send at the same time. */
export const concurrencyOf = ({ device, parallelism }: ServerSpec): number => CONCURRENCY[device] * parallelism.data;

/**
 * @param port on 127.0.0.1
 * @param utilization the part of each GPU's memory to fill. Default: vLLM's
 */
export function serveArguments(spec: ServerSpec, port: number, utilization?: number): string[] {
  const { model, device, context, loraRank, parallelism, args } = spec;
  const flags: Record<string, string | number | true> = {
    host: '127.0.0.1',
    port,
    'served-model-name': BASE_NAME,
    dtype: dtypeOf(device),
    'max-model-len': context,
    // Sampling parameters are those of the requests only.
    'generation-config': 'vllm',
    'disable-uvicorn-access-log': true,
    ...(loraRank !== undefined && { 'enable-lora': true, 'max-lora-rank': loraRank }),
    ...(parallelism.tensor > 1 && { 'tensor-parallel-size': parallelism.tensor }),
    // With several API servers, an adapter would be loaded in one of them only.
    ...(parallelism.data > 1 && { 'data-parallel-size': parallelism.data, 'api-server-count': 1 }),
    ...(utilization !== undefined && { 'gpu-memory-utilization': utilization }),
    ...(device === 'cpu' && {
      'enforce-eager': true,
      'no-enable-chunked-prefill': true,
      'max-num-batched-tokens': Math.max(CPU_BATCH_TOKENS, context),
    }),
  };
  const own = Object.entries(flags).flatMap(([name, value]) => [
    `--${name}`,
    ...(value === true ? [] : [String(value)]),
  ]);
  return ['serve', model, ...own, ...args];
}

/**
 * The context to serve.
 * @param needed tokens of the longest prompt with its response
 * @param limit the model's context
 */
export function contextFor(needed: number, limit: number): number {
  const rounded = 2 ** Math.ceil(Math.log2(Math.max(needed, SMALLEST_CONTEXT)));
  return Math.min(rounded, limit);
}

/** The smallest rank that vLLM supports for adapters of this rank. @throws InputError when there is none */
export function loraRankFor(rank: number): number {
  const found = LORA_RANKS.find((supported) => supported >= rank);
  if (found !== undefined) return found;
  throw new InputError(
    `The adapter has rank ${rank}, and vLLM supports at most ${LORA_RANKS.at(-1)}: ` +
      'train an adapter of a lower rank, or sample with sample.backend: onnx.',
  );
}

/**
 * The number of GPUs for one copy of the model: as few as leave room for its cache. Undefined if the model does not fit on all of them.
 * @param weights bytes of the model's weights
 * @param heads attention heads, which are divided among the GPUs of a copy
 * @param memories bytes of each GPU. At least one
 */
export function tensorParallelOf(weights: number, heads: number, memories: number[]): number | undefined {
  const smallest = Math.min(...memories);
  const sizes = Array.from({ length: memories.length }, (_, i) => 2 ** i).filter(
    (size) => size <= memories.length && heads % size === 0,
  );
  const fits = (share: number) => sizes.find((size) => weights / size <= share * smallest);
  return fits(GOOD_SHARE) ?? fits(LARGEST_SHARE);
}

/**
 * As many copies of the model as possible. Parameters as those of `tensorParallelOf`.
 * @throws InputError when the model does not fit
 */
export function parallelismFor(weights: number, heads: number, memories: number[]): Parallelism {
  const tensor = tensorParallelOf(weights, heads, memories);
  if (tensor === undefined) {
    throw new InputError(
      `The model's weights (${gigabytes(weights)}) do not fit on ${memories.length} GPUs of ${gigabytes(Math.min(...memories))}: ` +
        'use more GPUs (gpus), or GPUs with more memory.',
    );
  }
  return { tensor, data: Math.floor(memories.length / tensor) };
}
