/** Jobs on texts: sampling, scoring and training, and their errors. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { InputError } from '../../data/errors.ts';
import { LocalEngine } from '../../engine/onnx/engine.ts';
import { JobAborted, TrainingDiverged } from '../../engine/protocol/errors.ts';
import type { Progress, SampleJob, SftJob } from '../../engine/protocol/jobs.ts';
import { loadTokenizer } from '../../engine/tokenizer/tokenizer.ts';
import { samplingSchema, trainingSchema } from '../../engine/protocol/settings.ts';
import { temporaryFolder } from '../temporary.ts';
import { tinyAdapter, tinyModel, tinyPrompts } from '../tiny-model.ts';
import { undisturbed } from './reference-case.ts';

const scratch = temporaryFolder();
const model = tinyModel(join(scratch, 'model'));
const policy = { model, adapter: tinyAdapter };
const engine = new LocalEngine();
afterAll(() => engine.close());

const sampleJob = {
  policy,
  prompts: tinyPrompts(6),
  settings: samplingSchema.parse({ temperature: 1, samplesPerPrompt: 2, maxNewTokens: 40, batchSize: 4 }),
  seed: 1,
} satisfies SampleJob;

const texts = async (job: SampleJob) =>
  (await engine.run('sample', job, undisturbed)).responses.flat().map(({ text }) => text);

describe('sampling', () => {
  test('returns texts, tokens, and the log-probabilities that scoring these tokens returns', async () => {
    const { responses, promptIds, sampledTokens } = await engine.run('sample', sampleJob, undisturbed);
    const tokenizer = loadTokenizer(model);
    expect(responses.map((samples) => samples.length)).toEqual([2, 2, 2, 2, 2, 2]);
    const flat = responses.flat();
    for (const { text, token_ids } of flat) expect(text).toBe(tokenizer.decode(token_ids));
    expect(sampledTokens).toBe(flat.reduce((total, { token_ids }) => total + token_ids.length, 0));
    expect(promptIds).toEqual(sampleJob.prompts.map(({ prompt }) => tokenizer.encodePrompt(prompt)));
    const rows = responses.flatMap((samples, i) =>
      samples.map(({ token_ids }) => ({ prompt: sampleJob.prompts[i].prompt, response_input_ids: token_ids })),
    );
    const scores = await engine.run('score', { policy, rows }, undisturbed);
    for (const [i, { logp, tokens }] of scores.entries()) {
      expect(Math.abs(logp - flat[i].logp!)).toBeLessThan(1e-4);
      expect(tokens).toBe(flat[i].token_ids.length);
    }
  });

  test('is reproducible, and differs with another policy or other settings, whatever session is open', async () => {
    const first = await texts(sampleJob);
    expect(await texts({ ...sampleJob, policy: { model } })).not.toEqual(first);
    const greedy = await texts({ ...sampleJob, settings: { ...sampleJob.settings, temperature: 0 } });
    expect(greedy).not.toEqual(first);
    expect(await texts(sampleJob)).toEqual(first);
    expect(await texts({ ...sampleJob, seed: 2 })).not.toEqual(first);
  });

  test('reports prompts, and stops when it is aborted', async () => {
    const reports: Progress[] = [];
    const onProgress = (progress: Progress) => reports.push(progress);
    await engine.run('sample', sampleJob, { ...undisturbed, onProgress });
    expect(reports.at(-1)).toMatchObject({ done: 6, total: 6, unit: 'prompts' });
    const stopped = engine.run('sample', sampleJob, { ...undisturbed, aborted: () => true });
    await expect(stopped).rejects.toThrow(JobAborted);
  });
});

const sftJob = (outDir: string, changes: Partial<SftJob> = {}): SftJob => ({
  policy: { model },
  rows: tinyPrompts(8).map(({ prompt }) => ({ prompt, completion: 'A, b and c.' })),
  training: trainingSchema.parse({ learningRate: 1e-2, epochs: 12, batchSize: 4, full: true, warmupRatio: 0 }),
  seed: 0,
  outDir: join(scratch, outDir),
  ...changes,
});

describe('supervised fine-tuning', () => {
  test('teaches the model its demonstrations', async () => {
    const sft = sftJob('taught');
    const { metrics } = await engine.run('sft', sft, undisturbed);
    expect(metrics.at(-1)!.loss).toBeLessThan(metrics[0].loss / 10);
    const settings = samplingSchema.parse({ maxNewTokens: 20 });
    const taught = { ...sampleJob, policy: { model: sft.outDir }, settings, prompts: tinyPrompts(2) };
    const { responses } = await engine.run('sample', taught, undisturbed);
    expect(responses.flat()).toMatchObject([
      { text: 'A, b and c.', finish_reason: 'stop' },
      { text: 'A, b and c.', finish_reason: 'stop' },
    ]);
  });

  test('that diverges fails with its own error, and writes nothing', async () => {
    const wild = sftJob('diverged');
    const training = { ...wild.training, learningRate: 1e30, schedule: 'constant' as const };
    const failed = engine.run('sft', { ...wild, training }, undisturbed);
    await expect(failed).rejects.toThrow(TrainingDiverged);
    await expect(failed).rejects.toThrow(/^Training diverged at step \d+: .*; lower the learning rate\.$/);
    expect(existsSync(wild.outDir)).toBe(false);
  });

  test('does not write into a folder that is not empty', async () => {
    const outDir = join(scratch, 'taken');
    mkdirSync(outDir);
    writeFileSync(join(outDir, 'notes.txt'), 'mine');
    await expect(engine.run('sft', sftJob('taken'), undisturbed)).rejects.toThrow(`${outDir} is not empty`);
  });

  test('does not write below a file', async () => {
    const file = join(scratch, 'a-file');
    writeFileSync(file, '');
    await expect(engine.run('sft', sftJob('a-file/new/folder'), undisturbed)).rejects.toThrow(
      new InputError(`${file}/new/folder is below the file ${file}: give a new folder for the trained policy.`),
    );
  });

  test('of all weights does not start from an adapter', async () => {
    const refused = engine.run('sft', sftJob('adapted', { policy }), undisturbed);
    await expect(refused).rejects.toThrow(/Training all weights starts from a model without an adapter/);
  });

  test('cuts a row that is longer than the context', async () => {
    const rows = [{ prompt: 'x', completion: 'long '.repeat(60) }];
    const training = { ...sftJob('long').training, epochs: 1 };
    const { metrics, rows: counts } = await engine.run('sft', sftJob('long', { rows, training }), undisturbed);
    // The prompt has four tokens with those of the template.
    expect(metrics[0]['completion_tokens']).toBe(256 - 4);
    expect(counts).toMatchObject({ rows: 1, truncated: 1 });
  });

  test('cuts the beginning of long prompts and the end of long completions', async () => {
    const rows = [{ prompt: 'x'.repeat(300), completion: 'y'.repeat(300) }];
    const training = { ...sftJob('cut').training, epochs: 1, maxPromptLength: 10, maxLength: 25 };
    const { metrics } = await engine.run('sft', sftJob('cut', { rows, training }), undisturbed);
    expect(metrics[0]['completion_tokens']).toBe(15);
  });
});

test('scoring stops between batches', async () => {
  const rows = tinyPrompts(200).map(({ prompt }) => ({ prompt, response: 'A long answer.' }));
  let asked = 0;
  const stopped = engine.run('score', { policy, rows }, { ...undisturbed, aborted: () => asked++ > 0 });
  await expect(stopped).rejects.toThrow(JobAborted);
  await expect(stopped).rejects.toThrow(/scoring was stopped after \d+ of 200 rows/);
});
