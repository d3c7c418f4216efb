/** A round by hand: every step's command on files, each reading what the one before wrote. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { writeJsonl } from '../../data/jsonl.ts';
import type { Divergence } from '../../evaluation/divergence.ts';
import type { AnswerSummary } from '../../evaluation/comparison.ts';
import { selm, summaryOf } from '../command.ts';
import { temporaryFolder } from '../temporary.ts';
import { tinyModel, tinyPrompts } from '../tiny-model.ts';

const folder = temporaryFolder();
const path = (name: string) => join(folder, name);
const model = tinyModel(path('model'));

interface Answered {
  prompt: object[];
  responses: { text: string; token_ids: number[]; finish_reason: string; logp: number }[];
}
type Summary = Record<string, unknown>;
const readJson = <T>(name: string): T => JSON.parse(readFileSync(path(name), 'utf8')) as T;
const readLines = <T>(name: string): T[] =>
  readFileSync(path(name), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as T);

/** Runs a command on the tiny model to its end; its summary. */
async function step(...args: string[]): Promise<Summary> {
  const ended = await selm([...args, '--json'], {});
  expect(ended).toMatchObject({ code: 0, stderr: '' });
  return summaryOf<Summary>(ended);
}
const withModel = (command: string, ...args: string[]) => step(command, '--model', model, ...args);

const summaries: Record<string, Summary> = {};
beforeAll(async () => {
  await writeJsonl(path('prompts.jsonl'), tinyPrompts(16));
  await writeJsonl(path('held-out.jsonl'), tinyPrompts(8, 16));
  await writeJsonl(
    path('demonstrations.jsonl'),
    tinyPrompts(8).map(({ prompt }) => ({ prompt, completion: 'Hello.' })),
  );
  const training = ['--learning-rate', '1e-2', '--batch-size', '2', '--lora-rank', '4'];

  summaries['sample'] = await withModel(
    'sample',
    '--prompts',
    path('prompts.jsonl'),
    '--out',
    path('responses.jsonl'),
    '--samples-per-prompt',
    '4',
    '--temperature',
    '1',
    '--max-new-tokens',
    '12',
    '--seed',
    '3',
  );
  await writeJsonl(
    path('rows.jsonl'),
    finished().map(({ prompt, text }) => ({ prompt, response: text })),
  );
  const score = (name: string, ...policy: string[]) =>
    step('score', ...policy, '--in', path('rows.jsonl'), '--out', path(`${name}.jsonl`));

  [summaries['label'], summaries['sft']] = await Promise.all([
    step('label', '--by', 'verifier', '--in', path('responses.jsonl'), '--out', path('preferences.jsonl')),
    withModel(
      'sft',
      '--demonstrations',
      path('demonstrations.jsonl'),
      '--out',
      path('sft'),
      ...training,
      '--epochs',
      '4',
    ),
  ]);
  const preferences = readLines<{ chosen: object; chosen_input_ids: number[] }>('preferences.jsonl');
  const [{ chosen: rejected, chosen_input_ids: rejected_input_ids }] = preferences;
  await writeJsonl(path('with-equals.jsonl'), [...preferences, { ...preferences[0], rejected, rejected_input_ids }]);
  [summaries['optimize'], summaries['score']] = await Promise.all([
    withModel(
      'optimize',
      '--preferences',
      path('with-equals.jsonl'),
      '--out',
      path('adapter'),
      ...training,
      '--epochs',
      '4',
    ),
    score('scores', '--model', model),
  ]);
  [summaries['evaluate'], summaries['export']] = await Promise.all([
    withModel(
      'evaluate',
      '--adapter',
      path('adapter'),
      '--against-base',
      '--prompts',
      path('held-out.jsonl'),
      '--by',
      'verifier',
      '--out',
      path('evaluation.json'),
      '--max-new-tokens',
      '12',
      '--kl-samples',
      '3',
    ),
    withModel('export', '--adapter', path('adapter'), '--out', path('merged')),
  ]);
  await Promise.all([
    score('adapter-scores', '--model', model, '--adapter', path('adapter')),
    score('merged-scores', '--model', path('merged')),
  ]);
});

/** The answers whose text says all of their tokens: a character each, and the end. */
const finished = () =>
  readLines<Answered>('responses.jsonl').flatMap(({ prompt, responses }) =>
    responses
      .filter(({ finish_reason, text, token_ids }) => finish_reason === 'stop' && token_ids.length === text.length + 1)
      .map((response) => ({ prompt, ...response })),
  );

test('sample answers every prompt', () => {
  const rows = readLines<Answered>('responses.jsonl');
  const tokens = rows.flatMap(({ responses }) => responses).flatMap(({ token_ids }) => token_ids);
  expect(rows.map(({ responses }) => responses.length)).toEqual(Array(16).fill(4));
  expect(summaries['sample']).toMatchObject({
    prompts: 16,
    sampled_tokens: tokens.length,
    out: path('responses.jsonl'),
  });
});

test('score gives the log-probabilities that sampling had', () => {
  const sampled = finished();
  const scores = readLines<{ logp: number; tokens: number }>('scores.jsonl');
  expect(sampled.length).toBeGreaterThan(0);
  expect(scores.map(({ tokens }) => tokens)).toEqual(sampled.map(({ token_ids }) => token_ids.length));
  for (const [i, { logp }] of scores.entries()) expect(logp).toBeCloseTo(sampled[i].logp, 3);
  const mean = scores.reduce((total, { logp }) => total + logp, 0) / scores.length;
  expect(summaries['score']).toMatchObject({ rows: sampled.length, mean_logp: mean });
});

test('label writes preferences and counts what it dropped', () => {
  const preferences = readLines<{ score_chosen: number; score_rejected: number }>('preferences.jsonl');
  expect(preferences.every(({ score_chosen, score_rejected }) => score_chosen > score_rejected)).toBe(true);
  const { rows, dropped } = summaries['label'] as { rows: number; dropped: Record<string, number> };
  expect(preferences.length).toBe(rows - Object.values(dropped).reduce((a, b) => a + b));
  expect(summaries['label']).toMatchObject({ rows: 16, preferences: preferences.length, answers: 64 });
});

test.each(['optimize', 'sft'])('%s writes a PEFT adapter and its metrics', (command) => {
  const out = command === 'sft' ? 'sft' : 'adapter';
  expect(readJson(`${out}/adapter_config.json`)).toMatchObject({ peft_type: 'LORA', r: 4, lora_alpha: 8 });
  expect(existsSync(path(`${out}/adapter_model.safetensors`))).toBe(true);
  const metrics = readLines<{ loss: number }>(`${out}/metrics.jsonl`);
  expect(summaries[command]).toMatchObject({ steps: metrics.length, ...metrics.at(-1) });
  expect(metrics.at(-1)!.loss).toBeLessThan(metrics[0].loss);
});

test.each([
  ['optimize', 'preferences', ['--preferences', path('preferences.jsonl')]],
  ['sft', 'demonstrations', ['--demonstrations', path('demonstrations.jsonl')]],
])('%s says so where a training has few steps, and where the weights have not changed', async (command, what, rows) => {
  const out = path(`unchanged-${command}`);
  const ended = await selm(
    [command, '--model', model, ...rows, '--out', out, '--learning-rate', '1e-50', '--schedule', 'constant', '--json'],
    {},
  );
  const [few, unchanged] = ended.stderr.split(/(?<=\n)/);
  expect(few).toMatch(
    new RegExp(
      `^selm: warning: training had only 1 optimizer step \\(\\d+ ${what}, batch size 128, 1 epoch\\): ` +
        `lower --batch-size, raise --epochs, or give more ${what}\\.\n$`,
    ),
  );
  expect({ code: ended.code, unchanged }).toEqual({
    code: 0,
    unchanged: `selm: warning: the weights in ${out} equal those that training started from (highest learning rate 1e-50): raise --learning-rate.\n`,
  });
  expect(summaryOf<Summary>(ended)).toMatchObject({ unchanged: true });
  expect(summaries[command]).toMatchObject({ unchanged: false });
});

test('optimize leaves out a pair of equal responses and counts it', () => {
  expect(summaries['optimize']).toMatchObject({
    rows: (summaries['label'] as { preferences: number }).preferences + 1,
    row_counts: { equal: 1 },
  });
  expect(summaries['sft']).toMatchObject({ row_counts: { truncated: 0, equal: 0 } });
});

test('evaluate compares the adapter with its model', () => {
  const { summary, answers } = readJson<{
    summary: AnswerSummary & { against: Divergence & { klSampled: Divergence } };
    answers: object[];
  }>('evaluation.json');
  expect(summaries['evaluate']).toEqual({ ...summary, out: path('evaluation.json') });
  expect(answers).toHaveLength(8);
  expect(summary).toMatchObject({ prompts: 8, against: { opponent: { prompts: 8 } } });
  const { kl, klPerToken, klInterval, klSampled } = summary.against;
  for (const told of [{ kl, klPerToken, klInterval }, klSampled]) {
    expect(told.klPerToken).toBeGreaterThan(0);
    expect(told.klInterval.low).toBeLessThan(told.kl);
    expect(told.klInterval.high).toBeGreaterThan(told.kl);
  }
  expect(kl / klPerToken).toBeCloseTo(summary.meanTokens, 6);
});

test('evaluate compares the adapter with answers on file', async () => {
  const policy = ['--prompts', path('held-out.jsonl'), '--max-new-tokens', '12'];
  await withModel('sample', ...policy, '--out', path('base.jsonl'));
  const rows = readLines<Answered & { id: string }>('base.jsonl');
  await writeJsonl(
    path('texts.jsonl'),
    rows.map(({ id, responses }) => ({ id, prompt: 'as it was', response: responses[0].text })),
  );
  const {
    kl: _kl,
    klPerToken: _klPerToken,
    klInterval: _klInterval,
    klSampled: _klSampled,
    ...against
  } = summaries['evaluate'].against as Summary;
  const { meanTokens, ...opponent } = against.opponent as Summary;
  for (const [file, others] of [
    ['base.jsonl', { meanTokens, ...opponent }],
    ['texts.jsonl', opponent],
  ] as const) {
    const summary = await withModel(
      'evaluate',
      '--adapter',
      path('adapter'),
      '--against',
      path(file),
      ...policy,
      '--by',
      'verifier',
      '--out',
      path('on-file.json'),
    );
    expect(summary.against).toEqual({ ...against, opponent: others });
  }
  await writeJsonl(path('few.jsonl'), rows.slice(1));
  const { code, stderr } = await selm(
    ['evaluate', '--model', model, '--against', path('few.jsonl'), ...policy, '--by', 'verifier', '--out', path('x')],
    {},
  );
  expect(stderr).toBe(
    `selm: ${path('few.jsonl')} has no response to the prompt "${rows[0].id}"; give one for every prompt.\n`,
  );
  expect(code).toBe(2);
});

test('export merges the adapter: the model folder scores as both together', () => {
  const [base, adapter, merged] = ['scores', 'adapter-scores', 'merged-scores'].map((name) =>
    readLines<{ logp: number }>(`${name}.jsonl`).map(({ logp }) => logp),
  );
  for (const [i, logp] of merged.entries()) expect(logp).toBeCloseTo(adapter[i], 3);
  expect(merged.some((logp, i) => Math.abs(logp - base[i]) > 0.1)).toBe(true);
});

test("export writes answers as alpaca_eval's model outputs", async () => {
  const summary = await step(
    'export',
    '--format',
    'alpaca_eval',
    '--in',
    path('responses.jsonl'),
    '--generator',
    'tiny',
    '--out',
    path('outputs.json'),
  );
  expect(summary).toEqual({ outputs: 16, out: path('outputs.json') });
  const answered = readLines<{ prompt: { content: string }[]; responses: { text: string }[] }>('responses.jsonl');
  expect(readJson('outputs.json')).toEqual(
    answered.map(({ prompt, responses }) => ({
      dataset: 'selm',
      instruction: prompt[0].content,
      output: responses[0].text,
      generator: 'tiny',
    })),
  );
});
