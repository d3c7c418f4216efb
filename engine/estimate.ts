/**
 * Estimates of parameters and floating-point operations from a model's shape, and of the memory of the onnx backend (that of GPUs:
 * gpu-estimate.ts).
 *
 * Memory in bytes, in float32, with N parameters, L layers, hidden size h, feed-forward size f, k = key heads x head size, vocabulary V:
 * - sample: 8 N for weights (prefill and decoding have a copy each), and the key-value cache, 8 L k per token of every sequence decoded
 *   at the same time.
 * - optimize, all weights: 16 N: 4 N each for weights, gradients, and AdamW's two moments.
 * - optimize, LoRA with M parameters: 4 N + 16 M.
 * - activations: 4 bytes per number that the backward pass needs of a micro-batch's T tokens: T L (6 h + 2 k + 3 f). With recomputation,
 *   every layer keeps only its input, and one layer at a time the rest: T (L h + 6 h + 2 k + 3 f). Logits and their softmax exist for a
 *   chunk of c tokens: 2 c V.
 * Floating-point operations per token: 2 N forward, 4 N backward, or 2 N backward if the weights are frozen (LoRA); recomputation adds
 * another 2 N.
 */
import { sum } from '../data/numbers.ts';
import type { ModelDimensions } from './model-files/dimensions.ts';
import { elementCount } from './model-files/element-count.ts';
import { linearLayers, targetLayers } from './model-files/linear-layers.ts';
import type { LoraSettings, SamplingSettings, TrainingSettings } from './protocol/settings.ts';

/** The most logits that a backend holds at a time: 16 Mi numbers, 64 MiB. Memory does not grow with vocabulary times batch. */
export const CHUNK_LOGITS = 16 * 1024 * 1024;

/** Parameters of the whole model. */
export const parameterCount = ({ shapes }: Pick<ModelDimensions, 'shapes'>): number =>
  sum([...shapes.values()].map(elementCount));

/** Parameters of an adapter: rank x (in + out) for every target of every layer. */
export const loraParameterCount = (
  { shapes }: Pick<ModelDimensions, 'shapes'>,
  { rank, targets }: LoraSettings,
): number =>
  [...targetLayers(linearLayers(shapes), targets).values()].reduce(
    (total, [out, inputs]) => total + rank * (out + inputs),
    0,
  );

const FLOAT32 = 4;

/** Bytes needed for sampling. */
export function sampleMemory(
  model: ModelDimensions,
  { batchSize, maxNewTokens }: Pick<SamplingSettings, 'batchSize' | 'maxNewTokens'>,
  promptTokens: number,
): { weights: number; cache: number } {
  const perToken = 2 * model.layers * model.kvHeads * model.headDim * FLOAT32;
  return {
    weights: 2 * FLOAT32 * parameterCount(model),
    cache: perToken * batchSize * (promptTokens + maxNewTokens),
  };
}

/** Bytes needed for training. */
export function optimizeMemory(
  model: ModelDimensions,
  { full, lora, microBatchTokens, maxLength, recompute }: TrainingSettings,
): { weights: number; gradients: number; optimizer: number; activations: number } {
  const { layers, hiddenSize, intermediateSize, kvHeads, headDim, vocabSize } = model;
  const all = parameterCount(model);
  const trained = full ? all : loraParameterCount(model, lora);
  const tokens = Math.max(microBatchTokens, maxLength);
  const perLayer = 6 * hiddenSize + 2 * kvHeads * headDim + 3 * intermediateSize;
  const kept = recompute ? layers * hiddenSize + perLayer : layers * perLayer;
  return {
    weights: FLOAT32 * (full ? all : all + trained),
    gradients: FLOAT32 * trained,
    optimizer: 2 * FLOAT32 * trained,
    activations: FLOAT32 * (tokens * kept + 2 * Math.min(tokens * vocabSize, CHUNK_LOGITS)),
  };
}

/** The size of a round. Token counts are means per prompt and per answer. */
export interface RoundSize {
  prompts: number;
  heldOut: number;
  promptTokens: number;
  answerTokens: number;
}

/**
 * Floating-point operations of a round, by step. Sampling computes a prompt once for all its samples. A row of training is its prompt and
 * three responses, whose log-probabilities under the reference policy are computed first. Evaluation answers the held-out prompts,
 * greedily and klSamples times, and computes the KL divergences of these answers from two policies, under both policies each time.
 */
export function roundFlops(
  model: ModelDimensions,
  size: RoundSize,
  { samplesPerPrompt, klSamples }: { samplesPerPrompt: number; klSamples: number },
  { full, maxLength, epochs, recompute }: Pick<TrainingSettings, 'full' | 'maxLength' | 'epochs' | 'recompute'>,
): Record<'sample' | 'optimize' | 'evaluate', number> {
  const { prompts, heldOut, promptTokens, answerTokens } = size;
  const forward = 2 * parameterCount(model);
  const evaluated = (answers: number) => promptTokens + answers * answerTokens;
  const row = promptTokens + 3 * Math.max(0, Math.min(answerTokens, maxLength - promptTokens));
  return {
    sample: forward * prompts * (promptTokens + samplesPerPrompt * answerTokens),
    optimize: forward * prompts * row * (1 + epochs * ((full ? 3 : 2) + (recompute ? 1 : 0))),
    evaluate: forward * heldOut * (evaluated(1) + (klSamples > 0 ? evaluated(klSamples) : 0)) * 5,
  };
}
