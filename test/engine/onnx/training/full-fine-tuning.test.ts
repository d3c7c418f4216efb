/** Training of all weights against PyTorch's (see test/fixtures/full-fine-tuning). */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LocalEngine } from '../../../../engine/onnx/engine.ts';
import type { TrainMetrics } from '../../../../engine/protocol/jobs.ts';
import { openSafetensors, readTensorF32 } from '../../../../engine/model-files/safetensors.ts';
import { openModelWeights } from '../../../../engine/model-files/weights.ts';
import { openLlamaPolicy } from '../../../../engine/tokens/policy.ts';
import { trainingSchema } from '../../../../engine/protocol/settings.ts';
import { demonstrationTask } from '../../../../engine/onnx/training/demonstration.ts';
import { train } from '../../../../engine/onnx/training/train.ts';
import { trainableModel } from '../../../../engine/onnx/training/trainable.ts';
import { fixture, readJson, referenceCase, undisturbed } from '../../reference-case.ts';
import { expectSameTraining } from '../../trained-weights.ts';
import { temporaryFolder } from '../../../temporary.ts';

interface StepNumbers {
  loss: number;
  grad_norm: number;
}

const scratch = temporaryFolder();
const engine = new LocalEngine();
afterAll(() => engine.close());

const expectStep = (actual: TrainMetrics, { loss, grad_norm }: StepNumbers) => {
  expect(Math.abs(actual.loss - loss)).toBeLessThan(1e-5);
  expect(Math.abs(actual.grad_norm - grad_norm)).toBeLessThan(1e-4);
};

describe.each(['llama-tied', 'qwen2'])('%s', (name) => {
  const { model, pairs, optimizeJob } = referenceCase(name);
  const expected = readJson<{ selm: StepNumbers[]; sft: StepNumbers }>(fixture(`full-fine-tuning/${name}.json`));
  const outDir = join(scratch, name);
  let metrics: TrainMetrics[];

  beforeAll(async () => {
    const job = optimizeJob(outDir, { full: true, epochs: 3, weightDecay: 0.1, shuffle: false });
    ({ metrics } = await engine.run('optimize', job, undisturbed));
  });

  test('three AdamW steps on the SELM loss have its losses and gradient norms', () => {
    expect(metrics).toHaveLength(3);
    for (const [i, numbers] of expected.selm.entries()) expectStep(metrics[i], numbers);
  });

  test('and add to every weight what PyTorch adds', () => {
    const [before, after] = [openModelWeights(model), openModelWeights(outDir)];
    const updates = openSafetensors(fixture(`full-fine-tuning/${name}.safetensors`));
    expect([...after.keys()].sort()).toEqual([...updates.keys()].sort());
    for (const [key, entry] of updates) {
      const [start, trained, update] = [before.get(key)!, after.get(key)!, entry].map(readTensorF32);
      expectSameTraining(
        trained.map((value, i) => value - start[i]),
        update,
        key,
      );
    }
  });

  test("supervised fine-tuning has transformers' loss: the mean over the completions' tokens", async () => {
    const opened = openLlamaPolicy({ model });
    const task = demonstrationTask(pairs.map(({ prompt, chosen }) => ({ group: { prompt, responses: [chosen] } })));
    const result = await train(opened.model, trainableModel(opened.model), task, {
      settings: trainingSchema.parse({ batchSize: pairs.length }),
      seed: 0,
      threads: 2,
      ...undisturbed,
    });
    expectStep(result.metrics[0], expected.sft);
  });
});
