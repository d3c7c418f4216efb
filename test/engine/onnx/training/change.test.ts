/** A training that changes nothing is reported: where no weight has changed, and where the change is below float32's resolution. */
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { z } from 'zod';
import { LocalEngine } from '../../../../engine/onnx/engine.ts';
import { layersOf } from '../../../../engine/model-files/linear-layers.ts';
import { freshAdapter, readAdapter, type Adapter, type LoraMatrices } from '../../../../engine/model-files/lora.ts';
import { readTensorF32 } from '../../../../engine/model-files/safetensors.ts';
import { loraSchema, trainingSchema, type TrainingSettings } from '../../../../engine/protocol/settings.ts';
import { isAdapterChanged } from '../../../../engine/onnx/training/change.ts';
import { temporaryFolder } from '../../../temporary.ts';
import { tinyModel } from '../../../tiny-model.ts';
import { referenceCase, undisturbed } from '../../reference-case.ts';
import { openLlamaFolder } from '../../../../engine/model-files/model.ts';

const folder = temporaryFolder();
const { model: modelFolder, policy, optimizeJob } = referenceCase('llama');
const engine = new LocalEngine();
afterAll(() => engine.close());

let count = 0;
const trained = (training: z.input<typeof trainingSchema>, changes: object = {}) =>
  engine.run(
    'optimize',
    { ...optimizeJob(join(folder, String(count++)), training), ...changes, threads: 1 },
    undisturbed,
  );
const fresh = { policy: { model: modelFolder }, reference: { model: modelFolder } };

describe('a training', () => {
  test.each([
    ['of an adapter', {}, {}],
    ['of an adapter, one step with a warm-up', { schedule: 'cosine' as const }, {}],
    ['of a new adapter, one step with a warm-up', { schedule: 'cosine' as const }, fresh],
    [
      'of a new adapter, at the lowest rate of the paper',
      { learningRate: 1e-7, lora: loraSchema.parse({ rank: 1 }) },
      fresh,
    ],
    ['of all weights', { full: true, learningRate: 1e-7 }, fresh],
  ])('%s changes it', async (_, training, changes) => {
    expect((await trained(training, changes)).unchanged).toBe(false);
  });

  test.each([
    ['of an adapter, with a rate below the resolution of its numbers', { learningRate: 1e-12 }, {}],
    ['of a new adapter, with a rate below the smallest number', { learningRate: 1e-50 }, fresh],
    ['of a new adapter, with updates below the resolution of the weights', { learningRate: 1e-20 }, fresh],
    // The gradient is 0 everywhere: A decays, but B, and with it the update, stays 0.
    [
      'of a new adapter, with a decay and a beta that is 0 in float32',
      { learningRate: 1e-2, weightDecay: 0.1 },
      { ...fresh, objective: { name: 'dpo', beta: 1e-50 } },
    ],
    ['of all weights, with a rate below their resolution', { full: true, learningRate: 1e-13 }, fresh],
  ])('%s changes nothing', async (_, training, changes) => {
    expect((await trained(training, changes)).unchanged).toBe(true);
  });

  test('that is resumed is compared with its start, not with its checkpoint', async () => {
    const job = { ...optimizeJob(join(folder, 'resumed'), { epochs: 2, learningRate: 1e-2 }), threads: 1 };
    const checkpoint = { dir: join(folder, 'checkpoints'), everySeconds: 0 };
    let steps = 0;
    const stop = { onProgress: () => void steps++, aborted: () => steps > 1 };
    await expect(engine.run('optimize', { ...job, checkpoint }, stop)).rejects.toThrow('training was stopped');
    const result = await engine.run('optimize', { ...job, checkpoint }, undisturbed);
    expect(result).toMatchObject({ resumedFromStep: 1, unchanged: false });
  });

  test('on demonstrations reports it too', async () => {
    const job = {
      policy: { model: tinyModel(join(folder, 'tiny')) },
      rows: [{ prompt: 'a', completion: 'b' }],
      seed: 0,
    };
    const [none, some] = [1e-50, 1e-2].map((learningRate) => trainingSchema.parse({ learningRate }));
    const run = async (training: TrainingSettings, outDir: string) =>
      (await engine.run('sft', { ...job, training, outDir: join(folder, outDir) }, undisturbed)).unchanged;
    expect([await run(none, 'none'), await run(some, 'some')]).toEqual([true, false]);
  });
});

/** scale B A. */
const product = ({ a, b, in: inputs, out, rank, scale }: LoraMatrices) =>
  Float64Array.from({ length: out * inputs }, (_, i) => {
    const [row, column] = [Math.floor(i / inputs), i % inputs];
    let sum = 0;
    for (let r = 0; r < rank; r++) sum += b[row * rank + r] * a[r * inputs + column];
    return scale * sum;
  });

describe('an adapter is changed if its update is above the resolution of float32', () => {
  const model = openLlamaFolder(modelFolder);
  const start = readAdapter(policy.adapter, layersOf(model));
  const layer = 'model.layers.1.mlp.down_proj';

  /** ||scale (B' A' - B A)|| / ||W|| of the layer, entry by entry. */
  function share(before: Adapter, after: Adapter): number {
    const [from, to] = [before, after].map(({ matrices }) => product(matrices.get(layer)!));
    const weight = readTensorF32(model.tensors.get(`${layer}.weight`)!);
    return Math.hypot(...to.map((value, i) => value - from[i])) / Math.hypot(...weight);
  }

  function moved(from: Adapter, by: number, part: 'a' | 'b'): Adapter {
    const own = from.matrices.get(layer)!;
    const changed = { ...own, [part]: own[part].map((value, i) => value + by * Math.cos(i)) };
    return { ...from, matrices: new Map(from.matrices).set(layer, changed) };
  }

  test.each(['a', 'b'] as const)('in matrix %s', (part) => {
    const per = share(start, moved(start, 1, part));
    const [above, below] = [2 ** -22 / per, 2 ** -26 / per].map((by) => moved(start, by, part));
    expect(share(start, above)).toBeGreaterThan(2 ** -24);
    expect(share(start, below)).toBeLessThan(2 ** -24);
    expect(isAdapterChanged(model, start, above)).toBe(true);
    expect(isAdapterChanged(model, start, below)).toBe(false);
  });

  test('a change of A alone, with B zero, is none; NaN is a change', () => {
    const none = freshAdapter(layersOf(model), loraSchema.parse({ rank: 4 }), 0);
    expect(isAdapterChanged(model, none, moved(none, 1, 'a'))).toBe(false);
    expect(isAdapterChanged(model, none, moved(none, NaN, 'b'))).toBe(true);
  });
});
