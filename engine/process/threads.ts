/** The default number of threads. */
import { availableParallelism } from 'node:os';
import type { ComputeSettings } from '../protocol/compute.ts';

/** The cores of this machine for each rank. More threads than cores make PyTorch's threads wait for each other. */
export const threadsPerRank = ({ gpus = 1 }: ComputeSettings): number =>
  Math.max(1, Math.floor(availableParallelism() / gpus));
