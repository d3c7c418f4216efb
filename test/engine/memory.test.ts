/** What the engine's process holds of a model in half precision, and that it computes with just its numbers. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { Policy } from '../../engine/protocol/jobs.ts';
import { samplingSchema, trainingSchema } from '../../engine/protocol/settings.ts';
import { referenceCase } from './reference-case.ts';
import { randomModel } from '../random-model.ts';
import { temporaryFolder } from '../temporary.ts';
import { startEngine } from '../../engine/backends.ts';

const scratch = temporaryFolder();
const half: Policy = { model: join(scratch, 'half') };
const weights = randomModel(half.model, {
  vocab_size: 8000,
  hidden_size: 1024,
  intermediate_size: 2816,
  num_hidden_layers: 6,
  num_attention_heads: 16,
  num_key_value_heads: 4,
  max_position_embeddings: 256,
});
const FLOAT32_MEGABYTES = (4 * weights) / 2 ** 20;

const tokens = (count: number, seed: number) => Array.from({ length: count }, (_, i) => 5 + ((seed + 31 * i) % 90));
const PROMPTS = [tokens(12, 1), tokens(20, 2)];
const ANSWERS = [tokens(9, 3), tokens(6, 4)];
const training = trainingSchema.parse({ learningRate: 1e-3, schedule: 'constant', batchSize: 2, lora: { rank: 2 } });

const engine = startEngine();
afterAll(() => engine.close());

const sample = (policy: Policy, temperature = 0) =>
  engine.run('sample', {
    policy,
    prompts: PROMPTS.map((prompt, i) => ({ id: `p${i}`, prompt_input_ids: prompt })),
    settings: samplingSchema.parse({ maxNewTokens: 8, temperature }),
    seed: 0,
    threads: 2,
  });
const score = (policy: Policy) =>
  engine.run('score', {
    policy,
    rows: PROMPTS.map((prompt, i) => ({ prompt_input_ids: prompt, response_input_ids: ANSWERS[i] })),
    threads: 2,
  });
const divergence = (policy: Policy, reference: Policy) =>
  engine.run('divergence', {
    policy,
    reference,
    rows: PROMPTS.map((prompt, i) => ({ prompt_input_ids: prompt, response_input_ids: ANSWERS[i] })),
    threads: 2,
  });
const optimize = (policy: Policy, outDir: string) =>
  engine.run('optimize', {
    policy,
    reference: policy,
    rows: PROMPTS.map((prompt, i) => ({
      prompt_input_ids: prompt,
      chosen_input_ids: ANSWERS[i],
      rejected_input_ids: ANSWERS[1 - i],
      reference_input_ids: ANSWERS[i],
    })),
    objective: { name: 'selm', beta: 0.1, alpha: 1e-3 },
    training,
    seed: 0,
    threads: 2,
    outDir,
  });

/** The most memory that the engine's process ever had, in megabytes. */
function peak(): number {
  const children = execFileSync('ps', ['--ppid', String(process.pid), '-o', 'pid=,args='], { encoding: 'utf8' });
  const pid = /(\d+) .*engine\/onnx\/main\./.exec(children)![1];
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024;
}

/** Packed for decoding, and as the other graphs take them; what is computed with them is small here. */
const MOST_COPIES = 2.4;

// /proc is Linux's.
const onLinux = test.skipIf(process.platform !== 'linux');
onLinux('of its weights in float32 there are two copies at most, whatever is asked in turn', async () => {
  await engine.run('score', { policy: referenceCase('llama').policy, rows: [], threads: 2 });
  const empty = peak();
  const jobs: Record<string, () => Promise<unknown>> = {
    'answers as the first job': () => sample(half, 0),
    'scores beside them': () => score(half),
    'divergences beside them': () => divergence(half, half),
    'other answers beside scores': () => sample(half, 1),
    training: () => optimize(half, join(scratch, 'measured')),
    'answers after training': () => sample(half, 0),
  };
  for (const [name, job] of Object.entries(jobs)) {
    await job();
    expect((peak() - empty) / FLOAT32_MEGABYTES, name).toBeLessThan(MOST_COPIES);
  }
});

test('answers, scores and a trained adapter are those of the same model in float32, to the bit', async () => {
  const whole: Policy = { model: join(scratch, 'whole') };
  await engine.run('export', { policy: half, outDir: whole.model });
  expect((await sample(half)).responses).toEqual((await sample(whole)).responses);
  expect(await score(half)).toEqual(await score(whole));
  for (const other of [half, whole]) expect((await divergence(half, other)).every(({ kl }) => kl === 0)).toBe(true);
  const adapters = [];
  for (const policy of [half, whole]) {
    const outDir = join(scratch, `trained-${adapters.length}`);
    await optimize(policy, outDir);
    adapters.push(readFileSync(join(outDir, 'adapter_model.safetensors')));
  }
  expect(adapters[0].equals(adapters[1])).toBe(true);
});
