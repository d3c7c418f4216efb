/** The estimate of a training's memory against the peak of the ranks' memory on the CPU, where numbers are float32. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { startEngine } from '../../../engine/backends.ts';
import { gpuTrainingMemory, totalOf } from '../../../engine/gpu-estimate.ts';
import { llamaDimensions } from '../../../engine/model-files/dimensions.ts';
import { readLlamaConfig } from '../../../engine/model-files/llama-config.ts';
import { trainingSchema } from '../../../engine/protocol/settings.ts';
import { randomModel } from '../../random-model.ts';
import { temporaryFolder } from '../../temporary.ts';
import { backendsOf, describeTorch, ranksOf, twoRanks } from './environment.ts';

// glibc gives memory that is free back to the system, so that a process has no more than it uses.
Object.assign(process.env, { MALLOC_MMAP_THRESHOLD_: '65536', MALLOC_TRIM_THRESHOLD_: '0' });

const scratch = temporaryFolder();
const SHAPE = {
  vocab_size: 4096,
  hidden_size: 512,
  intermediate_size: 1536,
  num_hidden_layers: 8,
  num_attention_heads: 8,
  num_key_value_heads: 4,
  max_position_embeddings: 1024,
};
const POLL_MILLISECONDS = 10;

/** Bytes of a process that no file backs: a GPU would not hold the files of a model that are mapped into memory. */
const ownBytes = (pid: number): number =>
  1024 * Number(/^RssAnon:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]);

const ids = (from: number, count: number) => Array.from({ length: count }, (_, i) => (from + 7 * i) % SHAPE.vocab_size);
const rows = Array.from({ length: 4 }, (_, i) => ({
  prompt_input_ids: ids(i, 64),
  chosen_input_ids: ids(i + 1, 128),
  rejected_input_ids: ids(i + 2, 128),
  reference_input_ids: ids(i + 3, 128),
}));

/** Peak bytes of the rank that needs most, besides what it has after a training of a tiny model. */
async function peakOf(training: ReturnType<typeof trainingSchema.parse>, gpus: number, model: string): Promise<number> {
  const engine = startEngine();
  const train = (of: string) =>
    engine.run('optimize', {
      policy: { model: of },
      reference: { model: of },
      rows,
      objective: { name: 'selm', beta: 0.01, alpha: 1e-3 },
      training,
      seed: 0,
      outDir: `${of}-${gpus}`,
      ...twoRanks,
      gpus,
    });
  try {
    const tiny = join(scratch, `tiny-${gpus}`);
    randomModel(tiny, { ...SHAPE, hidden_size: 64, intermediate_size: 64, num_hidden_layers: 1 });
    await train(tiny);
    const ranks = ranksOf(backendsOf(process.pid)[0]).map((pid) => ({ pid, before: ownBytes(pid) }));
    expect(ranks).toHaveLength(gpus);
    let peak = 0;
    const ended = new AbortController();
    const watching = (async () => {
      while (!ended.signal.aborted) {
        peak = Math.max(peak, ...ranks.map(({ pid, before }) => ownBytes(pid) - before));
        await sleep(POLL_MILLISECONDS);
      }
    })();
    await train(model);
    ended.abort();
    await watching;
    return peak;
  } finally {
    await engine.close();
  }
}

describeTorch('a training needs at most the estimated memory, and most of it', () => {
  test.each([
    ['all weights, 2 ranks', { full: true, learningRate: 1e-6 }, 2],
    ['LoRA, 1 rank', { learningRate: 1e-4 }, 1],
  ] as const)('%s', async (_, optimize, gpus) => {
    const model = join(scratch, `model-${gpus}`);
    randomModel(model, SHAPE);
    const common = {
      schedule: 'constant',
      batchSize: 2,
      microBatchTokens: 512,
      maxLength: 256,
      recompute: true,
    } as const;
    const training = trainingSchema.parse({ ...optimize, ...common });
    const { runtime: _runtime, ...parts } = gpuTrainingMemory(
      llamaDimensions(readLlamaConfig(model)),
      training,
      gpus,
      4,
    );
    const share = (await peakOf(training, gpus, model)) / totalOf(parts);
    expect(share).toBeLessThan(1);
    expect(share).toBeGreaterThan(0.7);
  });
});
