/** A step is the same however its batch is divided into micro-batches. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LocalEngine } from '../../../../engine/onnx/engine.ts';
import { openSafetensors, readTensorF32 } from '../../../../engine/model-files/safetensors.ts';
import { referenceCase, undisturbed } from '../../reference-case.ts';
import { expectSameTraining } from '../../trained-weights.ts';
import { temporaryFolder } from '../../../temporary.ts';

const scratch = temporaryFolder();
const engine = new LocalEngine();
afterAll(() => engine.close());

// llama has its own output layer; that of llama-tied is its embedding, where two gradients are added in one tensor.
describe.each([
  ['llama', false],
  ['llama', true],
  ['llama-tied', true],
])('%s, all weights: %s', (name, full) => {
  const weights = full ? 'model.safetensors' : 'adapter_model.safetensors';

  /** Two steps in micro-batches of at most this many tokens; the pairs have 31, 27 and 21. */
  const trained = async (microBatchTokens: number) => {
    const outDir = join(scratch, `${name}-${full}-${microBatchTokens}`);
    const job = referenceCase(name).optimizeJob(outDir, { full, epochs: 2, microBatchTokens });
    const { metrics } = await engine.run('optimize', job, undisturbed);
    return { metrics, tensors: openSafetensors(join(outDir, weights)) };
  };
  let together: Awaited<ReturnType<typeof trained>>;
  beforeAll(async () => {
    together = await trained(2048);
  });

  test.each([
    ['each row alone', 1],
    ['two rows and one', 62],
  ])('%s', async (_, microBatchTokens) => {
    const divided = await trained(microBatchTokens);
    for (const [step, row] of together.metrics.entries()) {
      const { 'tokens/s': _speed, ...numbers } = row;
      for (const [metric, value] of Object.entries(numbers)) {
        expect(Math.abs(divided.metrics[step][metric] - value), `${metric}, step ${step + 1}`).toBeLessThan(1e-4);
      }
    }
    for (const [key, entry] of together.tensors) {
      const [actual, wanted] = [divided.tensors.get(key)!, entry].map(readTensorF32);
      expectSameTraining(actual, wanted, key);
    }
  });
});
