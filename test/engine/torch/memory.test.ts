/** The estimates of memory of a training, and of a job beside vLLM, against the peak of the ranks' memory on the CPU, where numbers are float32. */
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { startEngine } from '../../../engine/backends.ts';
import { divergenceMemory } from '../../../engine/beside-estimate.ts';
import { gpuTrainingMemory, totalOf } from '../../../engine/gpu-estimate.ts';
import { llamaDimensions } from '../../../engine/model-files/dimensions.ts';
import { readLlamaConfig } from '../../../engine/model-files/llama-config.ts';
import type { Engine } from '../../../engine/protocol/jobs.ts';
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

type Work = (engine: Engine, model: string, gpus: number) => Promise<unknown>;

/** Peak bytes of the rank that needs most, besides what it has after the same work for a tiny model. */
async function peakOf(work: Work, gpus: number, model: string): Promise<number> {
  const engine = startEngine();
  try {
    const tiny = `${model}-tiny`;
    randomModel(tiny, { ...SHAPE, hidden_size: 64, intermediate_size: 64, num_hidden_layers: 1 });
    await work(engine, tiny, gpus);
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
    await work(engine, model, gpus);
    ended.abort();
    await watching;
    return peak;
  } finally {
    await engine.close();
  }
}

const train =
  (training: ReturnType<typeof trainingSchema.parse>): Work =>
  (engine, of, gpus) =>
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
    const share = (await peakOf(train(training), gpus, model)) / totalOf(parts);
    expect(share).toBeLessThan(1);
    expect(share).toBeGreaterThan(0.7);
  });
});

describeTorch('KL divergence needs at most the estimated memory, and most of it', () => {
  test.each([2, 1])('ranks: %i', async (gpus) => {
    const model = join(scratch, `divergence-${gpus}`);
    randomModel(model, SHAPE);
    // A micro-batch of 2048 tokens on each rank.
    const answered = Array.from({ length: 4 * gpus }, (_, i) => ({
      prompt_input_ids: ids(i, 64),
      response_input_ids: ids(i + 1, 448),
    }));
    // The policies are not the same model, which would be opened once.
    const diverge: Work = async (engine, of) => {
      const reference = `${of}-reference`;
      cpSync(of, reference, { recursive: true });
      await engine.run('divergence', {
        policy: { model: of },
        reference: { model: reference },
        rows: answered,
        ...twoRanks,
        gpus,
      });
    };
    const dimensions = llamaDimensions(readLlamaConfig(model));
    const { runtime: _runtime, ...parts } = divergenceMemory(dimensions, 0, { device: 'cpu', gpus });
    const share = (await peakOf(diverge, gpus, model)) / totalOf(parts);
    expect(share).toBeLessThan(1);
    expect(share).toBeGreaterThan(0.6);
  });
});
