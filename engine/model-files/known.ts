/** Configurations of frequently aligned models, from their config.json on the hub: for estimates without a download. */
import type { LlamaConfig } from './llama-config.ts';

const llama: Omit<
  LlamaConfig,
  'vocabSize' | 'hiddenSize' | 'intermediateSize' | 'layers' | 'heads' | 'kvHeads' | 'headDim' | 'maxPositions'
> = {
  architecture: 'LlamaForCausalLM',
  normEpsilon: 1e-5,
  tieEmbeddings: false,
  attentionBias: false,
  outputBias: false,
  mlpBias: false,
  qkNorm: false,
  rope: { theta: 10_000 },
  eosIds: [],
};

const mistral7b: LlamaConfig = {
  ...llama,
  architecture: 'MistralForCausalLM',
  vocabSize: 32_000,
  hiddenSize: 4096,
  intermediateSize: 14_336,
  layers: 32,
  heads: 32,
  kvHeads: 8,
  headDim: 128,
  maxPositions: 32_768,
};
const llama3: LlamaConfig = { ...mistral7b, ...llama, vocabSize: 128_256, maxPositions: 8192 };
const smollm2: LlamaConfig = {
  ...llama,
  tieEmbeddings: true,
  vocabSize: 49_152,
  hiddenSize: 576,
  intermediateSize: 1536,
  layers: 30,
  heads: 9,
  kvHeads: 3,
  headDim: 64,
  maxPositions: 8192,
};

/** By hub id. */
export const knownModels: Record<string, LlamaConfig> = {
  'alignment-handbook/zephyr-7b-sft-full': mistral7b,
  'HuggingFaceH4/zephyr-7b-beta': mistral7b,
  'mistralai/Mistral-7B-v0.1': mistral7b,
  'meta-llama/Meta-Llama-3-8B': llama3,
  'meta-llama/Meta-Llama-3-8B-Instruct': llama3,
  'HuggingFaceTB/SmolLM2-135M': smollm2,
  'HuggingFaceTB/SmolLM2-135M-Instruct': smollm2,
};
