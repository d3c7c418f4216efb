/** bench/gpu on the CPU with a small model, and the estimate of memory against what the ranks needed. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { gpuTrainingMemory } from '../../engine/gpu-estimate.ts';
import { llamaDimensions } from '../../engine/model-files/dimensions.ts';
import { knownModels } from '../../engine/model-files/known.ts';
import { trainingSchema } from '../../engine/protocol/settings.ts';
import { torchEnvironment } from '../../engine/torch/environment.ts';
import { temporaryFolder } from '../temporary.ts';

interface Measured {
  microBatchTokens: number;
  shape: Record<string, number>;
  cases: { name: string; tokensPerSecond: number; peakGigabytes: number; losses: number[]; sameBits: boolean }[];
}

const python = (() => {
  try {
    return torchEnvironment().python;
  } catch (error) {
    console.warn(`The measurement of the torch backend is skipped: ${(error as Error).message}`);
    return undefined;
  }
})();

test.skipIf(python === undefined)(
  'measure.py: steps, memory as estimated, and two runs with the same bits',
  async () => {
    const out = join(temporaryFolder(), 'measure.json');
    const script = fileURLToPath(new URL('../../bench/gpu/measure.py', import.meta.url));
    await promisify(execFile)(python!, [script, '--device', 'cpu', '--ranks', '1', '--tiny', '--out', out]);
    const { cases, shape, microBatchTokens } = JSON.parse(readFileSync(out, 'utf8')) as Measured;
    expect(cases.map(({ name, sameBits }) => [name, sameBits])).toEqual([
      ['LoRA', true],
      ['all weights', true],
    ]);
    const config = {
      ...knownModels['mistralai/Mistral-7B-v0.1'],
      vocabSize: shape.vocab_size,
      hiddenSize: shape.hidden_size,
      intermediateSize: shape.intermediate_size,
      layers: shape.num_hidden_layers,
      heads: shape.num_attention_heads,
      kvHeads: shape.num_key_value_heads,
      headDim: shape.hidden_size / shape.num_attention_heads,
    };
    for (const { name, peakGigabytes, losses, tokensPerSecond } of cases) {
      expect(losses).toHaveLength(3);
      expect(tokensPerSecond).toBeGreaterThan(0);
      const training = trainingSchema.parse({ full: name !== 'LoRA', microBatchTokens, recompute: true });
      const { runtime: _, ...needed } = gpuTrainingMemory(llamaDimensions(config), training, 1, 4);
      const estimate = Object.values(needed).reduce((sum, bytes) => sum + bytes, 0);
      console.log(`${name}: measured ${peakGigabytes.toFixed(2)} GB, estimated ${(estimate / 1e9).toFixed(2)} GB`);
      const ratio = estimate / (peakGigabytes * 1e9);
      expect(ratio).toBeGreaterThan(0.7);
      expect(ratio).toBeLessThan(2.5);
    }
  },
);
