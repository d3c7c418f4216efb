/** Whether a run fits on the GPUs of this machine, and which models do. */
import type { RunConfig } from '../../config/run.ts';
import { counted } from '../../data/counted.ts';
import { gigabytes } from '../../engine/bytes.ts';
import { parameterCount } from '../../engine/estimate.ts';
import { fits, gpuTrainingMemory, totalOf, vllmMemory, whatWouldFit } from '../../engine/gpu-estimate.ts';
import { nvidiaGpus, type Gpu } from '../../engine/gpus.ts';
import { tensorParallelOf } from '../../engine/vllm/arguments.ts';
import { llamaDimensions, type ModelDimensions } from '../../engine/model-files/dimensions.ts';
import type { LlamaConfig } from '../../engine/model-files/llama-config.ts';
import { knownModels } from '../../engine/model-files/known.ts';
import { trainingSchema } from '../../engine/protocol/settings.ts';
import { isOnGpus, shapeOf } from './estimate.ts';

/**
 * Why a run that computes on GPUs cannot run on those of this machine, and what would fit: a sentence. Undefined if it fits, and for a
 * model whose shape is unknown before it is downloaded.
 */
export function gpuProblem(config: RunConfig): string | undefined {
  if (!isOnGpus(config)) return undefined;
  const gpus = nvidiaGpus();
  const { gpus: wanted = 1 } = config;
  if (gpus.length === 0)
    return 'device: cuda needs NVIDIA GPUs, and nvidia-smi shows none on this machine: use a machine with GPUs, or set device: cpu.';
  if (gpus.length < wanted)
    return `gpus: ${wanted} is more than the ${counted(gpus.length, 'GPU')} of this machine: set gpus: ${gpus.length}.`;
  const model = shapeOf(config, []);
  const unfit = model && unfitOn(gpus.slice(0, wanted), config, model);
  return unfit && `${unfit.why}: ${unfit.remedy}.`;
}

/** Why a run does not fit on these GPUs, and what to change. Undefined if it fits. */
export function unfitOn(
  gpus: Pick<Gpu, 'name' | 'memory'>[],
  { sample, optimize }: RunConfig,
  model: ModelDimensions,
): { why: string; remedy: string } | undefined {
  const least = gpus.reduce((a, b) => (b.memory < a.memory ? b : a));
  const { memory: bytes } = least;
  const has = `${least.name} has ${gigabytes(bytes)}`;
  const training = gpuTrainingMemory(model, optimize, gpus.length);
  if (!fits(training, bytes)) {
    const ways = whatWouldFit(model, optimize, gpus.length, bytes);
    const remedy = ways.length > 0 ? `set ${ways.join('; or ')}` : 'use GPUs with more memory, or a smaller model';
    const needed = `optimize needs an estimated ${gigabytes(totalOf(training))} on each of ${counted(gpus.length, 'GPU')}`;
    return { why: `${needed}, and ${has}, of which a tenth stays free`, remedy };
  }
  const tokens = (sample.maxPromptLength ?? optimize.maxPromptLength) + sample.maxNewTokens;
  if (sample.server) return undefined;
  const weights = 2 * parameterCount(model);
  const memories = gpus.map(({ memory }) => memory);
  const tensor = tensorParallelOf(weights, model.heads, memories);
  const needed = tensor === undefined ? undefined : vllmMemory(model, tensor, tokens);
  if (needed && fits(needed, bytes)) return undefined;
  const what = needed
    ? `an estimated ${gigabytes(totalOf(needed))} on each of ${counted(gpus.length, 'GPU')}`
    : `room for ${gigabytes(weights)} of weights on ${counted(gpus.length, 'GPU')}, which divide the model's ${model.heads} attention heads`;
  return { why: `vLLM needs ${what}, and ${has}`, remedy: 'raise gpus, or use a smaller model' };
}

const llama = knownModels['meta-llama/Meta-Llama-3-8B'];
/** Shapes of published models, from 1 to 70 billion parameters. */
const SHAPES: Record<string, LlamaConfig> = {
  'Llama-3.2-1B': { ...llama, layers: 16, hiddenSize: 2048, intermediateSize: 8192, headDim: 64, tieEmbeddings: true },
  'Llama-3.2-3B': { ...llama, layers: 28, hiddenSize: 3072, heads: 24, intermediateSize: 8192, tieEmbeddings: true },
  'Mistral-7B': knownModels['mistralai/Mistral-7B-v0.1'],
  'Llama-3-8B': llama,
  'Llama-2-13B': {
    ...llama,
    vocabSize: 32_000,
    layers: 40,
    hiddenSize: 5120,
    intermediateSize: 13_824,
    heads: 40,
    kvHeads: 40,
  },
  'Qwen2.5-32B': {
    ...llama,
    vocabSize: 152_064,
    layers: 64,
    hiddenSize: 5120,
    intermediateSize: 27_648,
    heads: 40,
    attentionBias: true,
  },
  'Llama-3-70B': { ...llama, layers: 80, hiddenSize: 8192, intermediateSize: 28_672, heads: 64 },
};

/** A published model, and bytes of each GPU that it needs. */
interface FittingModel {
  name: string;
  parameters: number;
  /** With all weights trained. */
  full: number;
  lora: number;
}

/** Memory of each GPU that training published models needs, with recomputation and micro-batches of 4096 tokens. */
export const modelNeeds = (gpus: number): FittingModel[] =>
  Object.entries(SHAPES).map(([name, shape]) => {
    const training = trainingSchema.parse({ recompute: true, microBatchTokens: 4096 });
    const needed = (full: boolean) => totalOf(gpuTrainingMemory(llamaDimensions(shape), { ...training, full }, gpus));
    return { name, parameters: parameterCount(llamaDimensions(shape)), full: needed(true), lora: needed(false) };
  });
