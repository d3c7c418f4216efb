/** Memory of GPUs against arithmetic by hand for Mistral-7B. */
import { describe, expect, test } from 'vitest';
import { fits, gpuTrainingMemory, totalOf, vllmMemory, whatWouldFit } from '../../engine/gpu-estimate.ts';
import { llamaDimensions } from '../../engine/model-files/dimensions.ts';
import { knownModels } from '../../engine/model-files/known.ts';
import { trainingSchema } from '../../engine/protocol/settings.ts';

const mistral = llamaDimensions(knownModels['mistralai/Mistral-7B-v0.1']);
const N = 7_241_732_096;
// q and o 4096 x 4096, k and v 1024 x 4096, three matrices 14,336 x 4096, two norms.
const LAYER = 2 * 16_777_216 + 2 * 4_194_304 + 3 * 58_720_256 + 2 * 4096;
// Embedding and output layer 32,000 x 4096, and a norm.
const OUTSIDE = 2 * 131_072_000 + 4096;
const H100 = 85e9;
const training = (settings: object) => trainingSchema.parse({ microBatchTokens: 16_384, recompute: true, ...settings });

describe('Mistral-7B', () => {
  test('has its parameters in 32 layers and outside of them', () => {
    expect(32 * LAYER + OUTSIDE).toBe(N);
  });

  test('all weights on 8 GPUs: 16 bytes a parameter shared, a layer and the root whole, recomputed activations', () => {
    const memory = gpuTrainingMemory(mistral, training({ full: true }), 8);
    const { 'trained weights': weights, gradients, optimizer, gathered, activations, logits } = memory;
    expect(weights + gradients + optimizer).toBe(2 * N);
    // In bfloat16 two layers and the root; gradients of a layer and the root in bfloat16 and float32.
    expect(gathered).toBe(2 * (2 * LAYER + OUTSIDE) + 6 * (LAYER + OUTSIDE));
    // 4 x 4096 bytes for the input of each of 32 layers, and 32 x 4096 + 8 x 1024 + 16 x 14,336 in one layer.
    expect(activations).toBe(16_384 * (524_288 + 368_640));
    expect(logits).toBe(3 * 64 * 2 ** 20);
    // 14.5 GB of state, 4.3 GB gathered, 14.6 GB of activations.
    expect(totalOf(memory)).toBeGreaterThan(30e9);
    expect(fits(memory, H100)).toBe(true);
  });

  test('LoRA: the frozen weights in bfloat16, and 16 bytes a parameter of the adapter', () => {
    const memory = gpuTrainingMemory(mistral, training({ lora: { rank: 16 } }), 2);
    expect(memory['frozen weights']).toBe(N);
    // Rank 16: q 8192, k and v 5120, o 8192, gate, up and down 18,432 a layer.
    const adapter = 16 * 32 * (2 * 8192 + 2 * 5120 + 3 * 18_432);
    expect(memory['trained weights'] + memory.gradients + memory.optimizer).toBe((16 * adapter) / 2);
    expect(memory.gathered).toBe(2 * (2 * LAYER + OUTSIDE));
  });

  test('vLLM: the weights in bfloat16 on one GPU, 128 KiB of cache a token', () => {
    const { weights, 'key-value cache': cache } = vllmMemory(mistral, 1, 1024);
    expect([weights, cache]).toEqual([2 * N, 1024 * 131_072]);
  });

  test('what would fit: fewer tokens and recomputation, more GPUs, or LoRA; each of them does fit', () => {
    const one = training({ full: true, recompute: false });
    expect(fits(gpuTrainingMemory(mistral, one, 1), H100)).toBe(false);
    // 116 GB of state never fit on one GPU of 85 GB. On two, 58 GB of state and 6 GB of the rest leave 12 GB of 76.5.
    expect(whatWouldFit(mistral, one, 1, H100)).toEqual([
      'gpus: 2, optimize.microBatchTokens: 8192, optimize.recompute: true',
      'optimize.full: false (a LoRA adapter), optimize.recompute: true',
    ]);
    expect(whatWouldFit(mistral, one, 8, H100)).toEqual([
      'optimize.recompute: true',
      'optimize.full: false (a LoRA adapter), optimize.recompute: true',
    ]);
    expect(whatWouldFit(mistral, one, 8, 4e9)).toEqual([]);
  });
});
