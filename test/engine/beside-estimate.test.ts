/** Memory of jobs beside vLLM against arithmetic by hand for Mistral-7B, and for PairRM. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { divergenceMemory, memoryBeside, PAIRRM, rankMemory, roomBeside } from '../../engine/beside-estimate.ts';
import { totalOf } from '../../engine/gpu-estimate.ts';
import { llamaDimensions } from '../../engine/model-files/dimensions.ts';
import { knownModels } from '../../engine/model-files/known.ts';
import { temporaryFolder } from '../temporary.ts';
import { tinyAdapter, tinyModel } from '../tiny-model.ts';

const mistral = llamaDimensions(knownModels['mistralai/Mistral-7B-v0.1']);
const N = 7_241_732_096;
const LAYER = 218_112_000;
const OUTSIDE = 262_148_096;
const model = tinyModel(join(temporaryFolder(), 'model'));
const rows = [{ prompt_input_ids: [1], response_input_ids: [2, 3] }];

describe('the divergence of two policies of Mistral-7B', () => {
  test('on 8 GPUs: both in bfloat16 and shared, a layer and the next one whole, and one layer of activations', () => {
    expect(32 * LAYER + OUTSIDE).toBe(N);
    const memory = divergenceMemory(mistral, 0, { device: 'cuda', gpus: 8 });
    expect(memory.weights).toBe((4 * N) / 8);
    expect(memory.gathered).toBe(2 * (2 * LAYER + 2 * OUTSIDE));
    // 40 x 4096, 8 x 1024 and 16 x 14,336 bytes for each token.
    expect(memory.activations).toBe(8192 * 401_408);
    expect(memory.logits).toBe(6 * 64 * 2 ** 20);
    // 3.6 GB of weights, 1.9 gathered, 3.3 of activations, 0.4 of logits, 1.5 of runtime.
    expect(totalOf(memory) / 1e9).toBeCloseTo(10.7, 1);
  });

  test('takes more with adapters, which are float32, and with a response longer than a micro-batch', () => {
    const ranks = { device: 'cuda', gpus: 2 } as const;
    const least = divergenceMemory(mistral, 0, ranks);
    expect(divergenceMemory(mistral, 1e6, ranks).weights - least.weights).toBe(2e6);
    expect(divergenceMemory(mistral, 0, ranks, 16_384).activations).toBe(2 * least.activations);
  });

  test('takes twice the bytes for weights on the CPU', () => {
    const [gpu, cpu] = (['cuda', 'cpu'] as const).map((device) => divergenceMemory(mistral, 0, { device, gpus: 2 }));
    expect(cpu.weights).toBe(2 * gpu.weights);
  });
});

test('PairRM: 0.4 billion weights in float32 on each rank, and six matrices of 2048 scores for each token and head', () => {
  const { weights, attention } = rankMemory(PAIRRM, { device: 'cuda' });
  expect(weights / 4 / 1e9).toBeCloseTo(0.43, 1);
  expect(attention).toBe(6 * 4 * 8192 * 16 * 2048);
});

describe('what a job needs beside vLLM', () => {
  const policy = { model, adapter: tinyAdapter };
  const job = { policy, reference: { model }, rows, backend: 'torch' } as const;

  test('is that of one GPU, or of all ranks on the CPU', () => {
    const [one, two] = [1, 2].map((gpus) => memoryBeside('divergence', { ...job, device: 'cpu', gpus })!);
    expect(two / one).toBeGreaterThan(1.9);
    const onGpus = memoryBeside('divergence', { ...job, device: 'cuda', gpus: 2 })!;
    expect(onGpus).toBeLessThan(one);
  });

  test('is unknown for other jobs, and for a model that cannot be read', () => {
    expect(memoryBeside('score', { policy, rows, backend: 'torch' })).toBeUndefined();
    expect(memoryBeside('divergence', { ...job, policy: { model: '/nowhere' } })).toBeUndefined();
  });

  test('is left to it by a server: as much as the largest of the jobs needs, without jobs nothing', () => {
    const ranks = { device: 'cuda', gpus: 1 } as const;
    const ranking = totalOf(rankMemory(PAIRRM, ranks));
    expect(roomBeside([], policy, ranks)).toBe(0);
    expect(roomBeside(['divergence'], policy, ranks)).toBe(
      memoryBeside('divergence', { ...job, reference: policy, device: 'cuda' }),
    );
    expect(roomBeside(['divergence', 'rank'], policy, ranks)).toBe(ranking);
    expect(roomBeside(['divergence'], { model: '/nowhere' }, ranks)).toBe(0);
  });
});
