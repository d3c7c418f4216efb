/** The version of the torch backend in step keys. */
import { InputError } from '../../data/errors.ts';
import { nvidiaGpus } from '../gpus.ts';
import type { ComputeSettings } from '../protocol/compute.ts';
import { torchEnvironment } from './environment.ts';
import { nodeCount } from './nodes.ts';

/**
 * What decides the bits of results, besides the number of threads, which is a parameter of the steps: versions, ranks, and the kind of
 * device, as `torch 2.14.0, transformers 5.20.2, 8 ranks, cuda (NVIDIA H100 80GB HBM3)`.
 * @throws InputError when PyTorch is not installed, or when there is no GPU
 */
export function torchVersion({ device = 'cpu', gpus = 1 }: ComputeSettings): string {
  const { torch, transformers } = torchEnvironment();
  const kind = device === 'cuda' ? `cuda (${gpuName()})` : device;
  const ranks = gpus * nodeCount();
  return `torch ${torch}, transformers ${transformers}, ${ranks} ${ranks === 1 ? 'rank' : 'ranks'}, ${kind}`;
}

/** @throws InputError when this machine has fewer GPUs than `gpus` */
export function checkMachine({ device, gpus = 1 }: ComputeSettings): void {
  const found = device === 'cuda' ? nvidiaGpus().length : gpus;
  if (found < gpus) {
    throw new InputError(
      `gpus: ${gpus} with device: cuda, and this machine has ${found} NVIDIA GPUs: set gpus to at most that, or device: cpu.`,
    );
  }
}

let knownGpu: string | undefined;

function gpuName(): string {
  knownGpu ??= nvidiaGpus()[0]?.name;
  if (knownGpu !== undefined) return knownGpu;
  throw new InputError(
    'device: cuda needs an NVIDIA GPU, and nvidia-smi finds none: set device: cpu, or run on a machine with a GPU.',
  );
}
