/**
 * What a model needs before it is there: parameters, memory and arithmetic from its shape alone.
 *
 * With N parameters, L layers, hidden size h, feed-forward size f, k = key heads x head size, vocabulary V, in bytes:
 * - sample: 2 b N for weights of b bytes, which reading prompts and decoding have a copy each of, and the key-value cache, 2 L k b
 *   for each token of every sequence decoded at once.
 * - optimize, all weights: 16 N, in float32: 4 N each for weights, gradients, and AdamW's two moments.
 * - optimize, LoRA with M parameters: b N + 16 M.
 * - activations: 4 bytes for all that the backward pass needs of a micro-batch's T tokens: T L (6 h + 2 k + 3 f). With recomputation
 *   a layer keeps its input alone, and one at a time the rest: T (L h + 6 h + 2 k + 3 f). Logits and their softmax are there for a
 *   chunk of c tokens, 2 c V. Half precision takes less, so this is an upper bound of it.
 * Arithmetic, in floating-point operations a token: 2 N forward, and 4 N backward, 2 N where the weights are frozen (LoRA).
 */
import type { ModelConfig } from './model-files/config.ts';
import type { LoraSettings, SamplingSettings, TrainingSettings } from './protocol/settings.ts';
import { parameterShapes, linearShape } from './model-files/shapes.ts';

/** Logits that a backend computes at a time, at most: 16 Mi numbers, 64 MiB. Memory does not grow with the vocabulary times the batch. */
export const CHUNK_LOGITS = 16 * 1024 * 1024;

const product = (shape: number[]) => shape.reduce((total, size) => total * size, 1);

export const parameterCount = (config: ModelConfig): number =>
  [...parameterShapes(config).values()].reduce((total, shape) => total + product(shape), 0);

/** Of an adapter: rank x (in + out) for every target of every layer. */
export const loraParameterCount = (config: ModelConfig, { rank, targets }: LoraSettings): number =>
  config.layers *
  targets.reduce(
    (total, target) => total + rank * (linearShape(config, target)[0] + linearShape(config, target)[1]),
    0,
  );

/** Bytes of sampling. @param weightBytes of one weight as it is kept */
export function sampleMemory(
  config: ModelConfig,
  { batchSize, maxNewTokens }: Pick<SamplingSettings, 'batchSize' | 'maxNewTokens'>,
  promptTokens: number,
  weightBytes: number,
): { weights: number; cache: number } {
  const perToken = 2 * config.layers * config.kvHeads * config.headDim * weightBytes;
  return {
    weights: 2 * weightBytes * parameterCount(config),
    cache: perToken * batchSize * (promptTokens + maxNewTokens),
  };
}

/** Bytes of training. @param weightBytes of one weight as it is kept where it is not trained */
export function optimizeMemory(
  config: ModelConfig,
  { full, lora, microBatchTokens, maxLength, recompute }: TrainingSettings,
  weightBytes: number,
): { weights: number; gradients: number; optimizer: number; activations: number } {
  const FLOAT32 = 4;
  const { layers, hiddenSize, intermediateSize, kvHeads, headDim, vocabSize } = config;
  const all = parameterCount(config);
  const trained = full ? all : loraParameterCount(config, lora);
  const tokens = Math.max(microBatchTokens, maxLength);
  const perLayer = 6 * hiddenSize + 2 * kvHeads * headDim + 3 * intermediateSize;
  const kept = recompute ? layers * hiddenSize + perLayer : layers * perLayer;
  return {
    weights: full ? FLOAT32 * all : weightBytes * all + FLOAT32 * trained,
    gradients: FLOAT32 * trained,
    optimizer: 2 * FLOAT32 * trained,
    activations: FLOAT32 * (tokens * kept + 2 * Math.min(tokens * vocabSize, CHUNK_LOGITS)),
  };
}

/** Tokens of a round: what is read of prompts and rows, and what is generated. */
export interface RoundSize {
  prompts: number;
  heldOut: number;
  promptTokens: number;
  answerTokens: number;
}

/**
 * Floating-point operations of a round, by step. Sampling reads a prompt once for all its samples; a row of training is its prompt
 * and three responses, of which the reference policy's log-probabilities are computed first; evaluation answers the held-out
 * prompts, greedily and klSamples times, and computes the answers' KL divergences from two policies, under both policies each time.
 */
export function roundFlops(
  config: ModelConfig,
  size: RoundSize,
  { samplesPerPrompt, klSamples }: { samplesPerPrompt: number; klSamples: number },
  { full, maxLength, epochs }: Pick<TrainingSettings, 'full' | 'maxLength' | 'epochs'>,
): Record<'sample' | 'optimize' | 'evaluate', number> {
  const { prompts, heldOut, promptTokens, answerTokens } = size;
  const forward = 2 * parameterCount(config);
  const evaluated = (answers: number) => promptTokens + answers * answerTokens;
  const row = promptTokens + 3 * Math.max(0, Math.min(answerTokens, maxLength - promptTokens));
  return {
    sample: forward * prompts * (promptTokens + samplesPerPrompt * answerTokens),
    optimize: forward * prompts * row * (1 + epochs * (full ? 3 : 2)),
    evaluate: forward * heldOut * (evaluated(1) + (klSamples > 0 ? evaluated(klSamples) : 0)) * 5,
  };
}
