/**
 * Speeds of GPUs, one table for all estimates of hours and costs. None was measured with selm.
 *
 * Each was compared with a second source:
 * - Training on an H100: llm-foundry (scripts/train/benchmarking/README.md: MPT-7B, FSDP, 8 GPUs, sequences of 1024 and 2048 tokens)
 *   has 43 and 46 % of the bfloat16 peak. On an A100: torchtitan (docs/performance.md of 2024: Llama 3 8B, 64 GPUs) has 57 %.
 * - Sampling on H100 and A100: Lambda's figures are of vLLM 0.5.4, and its report says that 0.6 doubles them.
 * - Sampling on L40S: databasemart.com measured 1,017 tokens/s with Llama-3.1-8B and 50 requests on an A40, whose memory is slower.
 */
import { parameterCount } from './estimate.ts';
import type { ModelDimensions } from './model-files/dimensions.ts';

export interface Speed {
  value: number;
  /** `measured`: by the source. `assumed`: computed from data sheets. */
  basis: 'measured' | 'assumed';
  source: string;
}

/** Speeds of one GPU. */
interface GpuSpeeds {
  /** Operations per second that PyTorch sustains in training, in bfloat16. */
  training: Speed;
  /** Output tokens per second of vLLM with Mistral-7B. Another model is assumed to be slower by its size. */
  sampling: Speed;
}

const MISTRAL_7B = 7.248e9;

const LAMBDA = 'Lambda, vllm-benchmark (benchmark_v0.md): Mistral-7B, vLLM 0.5.4, 320 requests';
/** The H100's speed of sampling by bytes per second of its memory, which limits decoding. */
const PER_BANDWIDTH = 3281 / 3350;

const measured = (value: number, source: string): Speed => ({ value, basis: 'measured', source });
const assumed = (value: number, source: string): Speed => ({ value, basis: 'assumed', source });

/**
 * A GPU without NVLink or high-bandwidth memory.
 * @param peak TFLOP/s in bfloat16, dense
 * @param bandwidth GB/s of its memory
 */
const graphicsCard = (peak: number, bandwidth: number): GpuSpeeds => ({
  training: assumed(0.25 * peak * 1e12, `25 % of the peak of ${peak} TFLOP/s`),
  sampling: assumed(
    Math.round(PER_BANDWIDTH * bandwidth),
    `as an H100, by the bandwidth of the memory: ${bandwidth} of 3,350 GB/s`,
  ),
});

const H100: GpuSpeeds = {
  training: measured(
    0.33 * 989e12,
    '33 % of the peak of 989 TFLOP/s: torchtitan (docs/performance.md), Llama 3.1 8B, 8 H100, FSDP2',
  ),
  sampling: measured(3281, LAMBDA),
};

/** By the GPU's name. */
export const GPU_SPEEDS = {
  L4: graphicsCard(121, 300),
  A10G: graphicsCard(70, 600),
  L40S: graphicsCard(362, 864),
  A100: {
    training: measured(
      0.5 * 312e12,
      '50 % of the peak of 312 TFLOP/s: llm-foundry (benchmarking/README.md), MPT-7B, 8 A100 of 40 GB, FSDP',
    ),
    sampling: measured(1591, LAMBDA),
  },
  H100,
  // The same cores as the H100, with faster memory.
  H200: {
    training: assumed(H100.training.value, 'as an H100'),
    sampling: assumed(H100.sampling.value, 'as an H100'),
  },
} satisfies Record<string, GpuSpeeds>;

export type GpuName = keyof typeof GPU_SPEEDS;

/** The table's row of a GPU as a sentence, for estimates. */
export function describeSpeeds(gpu: GpuName): string {
  const { training, sampling } = GPU_SPEEDS[gpu];
  return (
    `${gpu}: training ${training.basis}, ${training.source}; sampling ${sampling.basis}, ` +
    `${sampling.value.toLocaleString('en')} tokens/s, ${sampling.source}; by the size of the model`
  );
}

/** Output tokens per second of vLLM on one GPU. */
export const sampledPerSecond = (gpu: GpuName, model: ModelDimensions): number =>
  (GPU_SPEEDS[gpu].sampling.value * MISTRAL_7B) / parameterCount(model);
