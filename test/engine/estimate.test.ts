/** Estimates against published sizes, and numbers worked out by hand. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Results } from '../../bench/results.ts';
import { loraParameterCount, optimizeMemory, parameterCount, roundFlops, sampleMemory } from '../../engine/estimate.ts';
import { llamaDimensions } from '../../engine/model-files/dimensions.ts';
import { knownModels } from '../../engine/model-files/known.ts';
import { loraSchema, trainingSchema } from '../../engine/protocol/settings.ts';

const smollm2 = llamaDimensions(knownModels['HuggingFaceTB/SmolLM2-135M-Instruct']);
const mistral = llamaDimensions(knownModels['alignment-handbook/zephyr-7b-sft-full']);
const llama3 = llamaDimensions(knownModels['meta-llama/Meta-Llama-3-8B-Instruct']);

/** Bytes of activations of a pass over one preference: a prompt of 64 tokens, and two different responses up to `maxLength`. */
const activationsUpTo = (maxLength: number) => {
  const microBatchTokens = 64 + 2 * (maxLength - 64);
  return optimizeMemory(smollm2, trainingSchema.parse({ microBatchTokens, maxLength })).activations;
};

test('parameters are as many as the hub counts in the safetensors files', () => {
  expect(parameterCount(smollm2)).toBe(134_515_008);
  expect(parameterCount(mistral)).toBe(7_241_732_096);
  expect(parameterCount(llama3)).toBe(8_030_261_248);
});

test('a LoRA adapter has rank x (in + out) for each layer', () => {
  // q 576 + 576, k and v 576 + 192, o 576 + 576, gate, up and down 576 + 1536: 10,176 a layer, times rank 16 and 30 layers.
  expect(loraParameterCount(smollm2, loraSchema.parse({}))).toBe(4_884_480);
});

describe('memory', () => {
  test("of sampling is the weights twice, and Llama 3 8B's 256 KiB of float32 cache a token", () => {
    const { weights, cache } = sampleMemory(llama3, { batchSize: 2, maxNewTokens: 100 }, 50);
    expect(weights).toBe(8 * 8_030_261_248);
    expect(cache).toBe(2 * 150 * 262_144);
  });

  test('of training all weights is 16 bytes a parameter', () => {
    const training = trainingSchema.parse({ full: true, microBatchTokens: 1000, maxLength: 500 });
    const { weights, gradients, optimizer, activations } = optimizeMemory(smollm2, training);
    expect(weights + gradients + optimizer).toBe(16 * 134_515_008);
    // A layer: 6 x 576 + 2 x 192 + 3 x 1536 = 8,448 numbers a token; a chunk of logits, and its softmax: 64 MiB each.
    expect(activations).toBe(4 * 1000 * 30 * 8_448 + 2 * 64 * 2 ** 20);
    const recomputed = optimizeMemory(smollm2, { ...training, recompute: true });
    expect(recomputed.activations).toBe(4 * 1000 * (30 * 576 + 8_448) + 2 * 64 * 2 ** 20);
  });

  test('of training grows with the tokens as the bench measured it', () => {
    const { cases } = JSON.parse(readFileSync(new URL('../../bench/results.json', import.meta.url), 'utf8')) as Results;
    const peak = (length: number) =>
      cases.find(({ name }) => name === `memory, ${length} tokens`)!.sides.selm!.runs[0].peakMebibytes * 2 ** 20;
    for (const [from, to] of [
      [1024, 2048],
      [2048, 4096],
    ]) {
      const ratio = (activationsUpTo(to) - activationsUpTo(from)) / (peak(to) - peak(from));
      expect(ratio).toBeGreaterThan(0.9);
      expect(ratio).toBeLessThan(1.2);
    }
  });

  test('of training an adapter is the weights, and 16 bytes a parameter of the adapter', () => {
    const { weights, gradients, optimizer } = optimizeMemory(smollm2, trainingSchema.parse({}));
    expect(weights + gradients + optimizer).toBe(4 * 134_515_008 + 16 * 4_884_480);
  });
});

test('operations are 2 N a token forward, 6 N with the backward pass, 4 N where the weights are frozen', () => {
  const size = { prompts: 10, heldOut: 3, promptTokens: 100, answerTokens: 50 };
  const N = 134_515_008;
  const full = roundFlops(
    smollm2,
    size,
    { samplesPerPrompt: 4, klSamples: 0 },
    { full: true, maxLength: 1024, epochs: 2, recompute: false },
  );
  expect(full.sample).toBe(2 * N * 10 * 300);
  // 250 tokens a row: forward once for the reference, then two epochs.
  expect(full.optimize).toBe(10 * 250 * (2 * N + 2 * 6 * N));
  // Generated once; then a divergence from two policies, each a pass under both.
  expect(full.evaluate).toBe(3 * 150 * 5 * 2 * N);
  const lora = roundFlops(
    smollm2,
    size,
    { samplesPerPrompt: 4, klSamples: 2 },
    { full: false, maxLength: 120, epochs: 1, recompute: true },
  );
  // Responses are cut at 120 tokens with the prompt: 160 a row. Recomputation is another forward pass.
  expect(lora.optimize).toBe(10 * 160 * (2 * N + 4 * N + 2 * N));
  // Two sampled answers to a prompt beside the greedy one.
  expect(lora.evaluate).toBe(3 * (150 + 200) * 5 * 2 * N);
});
