/** What a server is started for, from a policy and the settings of a run, and whether a server that runs will do. */
import { isDeepStrictEqual } from 'node:util';
import { InputError } from '../../data/errors.ts';
import { sum } from '../../data/numbers.ts';
import { roomBeside, type BesideMethod } from '../beside-estimate.ts';
import { totalOf, USABLE, vllmMemory } from '../gpu-estimate.ts';
import { readAdapterConfig } from '../model-files/adapter-config.ts';
import { contextLength, readModelConfig } from '../model-files/config.ts';
import { readDimensions } from '../model-files/dimensions.ts';
import { elementCount } from '../model-files/element-count.ts';
import { openModelWeights } from '../model-files/weights.ts';
import type { Device } from '../protocol/compute.ts';
import type { Policy } from '../protocol/jobs.ts';
import { contextFor, dtypeOf, GOOD_SHARE, loraRankFor, parallelismFor, type ServerSpec } from './arguments.ts';
import type { GpuMemory } from './memory.ts';

/** How a run wants vLLM. */
export interface VllmSettings {
  /** Further arguments of `vllm serve`. */
  args: string[];
  /** Default: cuda on a machine with an NVIDIA GPU, else cpu. */
  device?: Device;
  /** Number of GPUs to use. Default: all of the worker's. */
  gpus?: number;
  /** Jobs of the torch backend on the same GPUs while the server has more to sample. Default: none. */
  beside?: BesideMethod[];
}

const BYTES_PER_WEIGHT = { bfloat16: 2, float32: 4 } as Record<string, number>;

/**
 * @param tokens of the longest prompt with its response
 * @throws InputError when vLLM cannot serve the policy
 */
export function specOf(
  policy: Policy,
  tokens: number,
  { args, device: wanted, gpus: count, beside = [] }: VllmSettings,
  readGpus: () => GpuMemory[],
): ServerSpec {
  const { model, adapter } = policy;
  const config = readModelConfig(model);
  const all = wanted === 'cpu' ? [] : readGpus();
  const device = wanted ?? deviceOf(all);
  const gpus = all.slice(0, count);
  if (device === 'cuda' && gpus.length < Math.max(1, count ?? 1)) {
    throw new InputError(
      `vLLM needs ${count ?? 1} GPUs, and this machine has ${all.length} (nvidia-smi): lower gpus, or set device: cpu.`,
    );
  }
  const limit = contextLength(config);
  const common = {
    model,
    device,
    context: contextFor(tokens, limit),
    limit,
    ...(adapter !== undefined && { loraRank: loraRankFor(readAdapterConfig(adapter).rank) }),
    weights: weightBytes(model, dtypeOf(device)),
    args,
  };
  if (device === 'cpu') return { ...common, parallelism: { tensor: 1, data: 1 }, memory: 0, room: 0 };
  const memories = gpus.map(({ memory }) => memory);
  return {
    ...common,
    parallelism: parallelismFor(common.weights, config.heads ?? 1, memories),
    memory: Math.min(...memories),
    room: roomBeside(beside, policy, { device, gpus: count ?? 1 }),
  };
}

export const deviceOf = (gpus: GpuMemory[]): Device => (gpus.length > 0 ? 'cuda' : 'cpu');

/**
 * The part of each GPU's memory for a server with room for jobs beside it. Weights fill at most a half of the part, as they do of a GPU
 * without such jobs, and the cache of one sequence fits.
 * @returns undefined if there are no such jobs, or no room for them
 */
export function utilizationOf({ model, context, parallelism, weights, memory, room }: ServerSpec): number | undefined {
  if (room === 0) return undefined;
  const { tensor } = parallelism;
  // The jobs may fill the usable part of what the server leaves (fitsInto).
  const part = Math.floor(100 * (USABLE - room / USABLE / memory)) / 100;
  const least = totalOf(vllmMemory(readDimensions(model), tensor, context));
  return Math.max(weights / tensor / GOOD_SHARE, least) <= part * memory ? part : undefined;
}

/** Whether two servers differ in nothing but the model's folder, and in what a server may have more of. */
const sameShape = (
  { model: _a, context: _b, loraRank: _c, room: _d, ...has }: ServerSpec,
  { model: _e, context: _f, loraRank: _g, room: _h, ...wanted }: ServerSpec,
): boolean => isDeepStrictEqual(has, wanted);

/** Whether a server can take the place of the one that is wanted. */
export const canServe = (has: ServerSpec, wanted: ServerSpec): boolean =>
  has.model === wanted.model &&
  sameShape(has, wanted) &&
  has.context >= wanted.context &&
  (has.loraRank ?? 0) >= (wanted.loraRank ?? 0) &&
  has.room >= wanted.room;

/**
 * What is wanted, for prompts as long as those of the last server of a model of this shape: what the policies of a run are asked differs
 * in length between its steps, and would restart the server of each of them.
 */
export const asLongAs = (last: ServerSpec, wanted: ServerSpec): ServerSpec =>
  sameShape(last, wanted) ? { ...wanted, context: Math.max(last.context, wanted.context) } : wanted;

/** What is wanted; in place of a server of the same base model, also what that one takes. */
export function inPlaceOf(running: ServerSpec, wanted: ServerSpec): ServerSpec {
  if (running.model !== wanted.model || !sameShape(running, wanted)) return wanted;
  const loraRank = Math.max(running.loraRank ?? 0, wanted.loraRank ?? 0);
  return { ...wanted, ...(loraRank > 0 && { loraRank }), room: Math.max(running.room, wanted.room) };
}

/** Bytes of the weights of a model folder in memory. */
function weightBytes(folder: string, dtype: string): number {
  const counts = [...openModelWeights(folder).values()].map(({ shape }) => elementCount(shape));
  return BYTES_PER_WEIGHT[dtype] * sum(counts);
}
