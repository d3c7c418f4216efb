/** Time limits of slow regular expressions, in a run's settings and in an adapter's configuration. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { InputError } from '../../data/errors.ts';
import type { PromptRecord } from '../../data/records.ts';
import { withinTime } from '../../data/time-limit.ts';
import { readAdapterConfig } from '../../engine/model-files/adapter-config.ts';
import { createLabeler } from '../../labelers/index.ts';
import { temporaryFolder } from '../temporary.ts';
import { tinyAdapter } from '../tiny-model.ts';
import { noTools } from './tools.ts';

const folder = temporaryFolder();

/** Takes 2^n steps on n letters "a" followed by another character. */
const SLOW = '^(a+)+$';
const answer = `${'a'.repeat(60)}!`;
// Each expression takes 5 s of CPU time, or twice that if other candidates are labeled with it.
const PATIENCE = 300_000;

const prompt = (id: string): PromptRecord => ({ id, prompt: 'x' });

test(
  'a pattern that does not end is told by the prompt',
  async () => {
    const labeler = await createLabeler({ by: 'regex', pattern: SLOW }, noTools);
    const prompts = ['good', 'bad', 'other'].map((id) => ({
      prompt: prompt(id),
      answers: ['aaa', id === 'bad' ? answer : 'a'],
    }));
    await expect(labeler.judge(prompts, {})).rejects.toThrow(
      new InputError('The labeler regex, on prompt "bad", did not end in 5 s; simplify its regular expression.'),
    );
  },
  PATIENCE,
);

test(
  "an adapter's pattern that does not end is told by its file",
  () => {
    const adapter = join(folder, 'adapter');
    cpSync(tinyAdapter, adapter, { recursive: true });
    const file = join(adapter, 'adapter_config.json');
    const config = JSON.parse(readFileSync(file, 'utf8')) as object;
    writeFileSync(file, JSON.stringify({ ...config, target_modules: '([a-z._0-9]+)+!' }));
    const { isTarget } = readAdapterConfig(adapter);
    expect(() => isTarget('model.layers.0.self_attn.q_proj')).toThrow(
      new InputError(`${file}: the pattern "([a-z._0-9]+)+!" did not end in 5 s: name the layers instead.`),
    );
  },
  PATIENCE,
);

test('verdicts of more prompts than are judged together are those of one', async () => {
  const labeler = await createLabeler({ by: 'regex', pattern: '^a+$' }, noTools);
  const prompts = Array.from({ length: 100 }, (_, i) => ({
    prompt: prompt(`p${i}`),
    answers: ['a', i % 3 ? 'b' : 'aa'],
  }));
  const { verdicts } = await labeler.judge(prompts, {});
  expect(verdicts.map((row) => row.map(({ score }) => score))).toEqual(prompts.map((_, i) => [1, i % 3 ? 0 : 1]));
});

test.each([
  ['flags that stand twice', { pattern: 'a', flags: 'ii' }],
  ['a pattern of groups in groups', { pattern: `${'(?:a|'.repeat(10_000)}b${')'.repeat(10_000)}` }],
  ['a pattern that u refuses', { pattern: '\\-', flags: 'u' }],
])('%s: refused when the labeler is made', async (_, settings) => {
  await expect(createLabeler({ by: 'regex', ...settings }, noTools)).rejects.toThrow(InputError);
});

test('a pattern that V8 finds too large, only when it is used, is told by the prompt', async () => {
  const labeler = await createLabeler({ by: 'regex', pattern: '[a-z]'.repeat(100_000) }, noTools);
  const judging = labeler.judge([{ prompt: prompt('p'), answers: ['aaa'] }], {});
  await expect(judging).rejects.toThrow(InputError);
  await expect(judging).rejects.toThrow('on prompt "p"');
});

test('a JSON schema whose check would be a promise is refused', async () => {
  const settings = { by: 'json-schema', schema: { $async: true, type: 'object' } } as const;
  await expect(createLabeler(settings, noTools)).rejects.toThrow(
    new InputError('label.schema has "$async", which selm does not support; remove it.'),
  );
});

const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);

test('an answer that is nested deeper than the stack fits no schema that goes as deep', async () => {
  const labeler = await createLabeler({ by: 'json-schema', schema: { type: 'array', items: { $ref: '#' } } }, noTools);
  const { verdicts } = await labeler.judge([{ prompt: prompt('p'), answers: [nested(9), nested(100_000)] }], {});
  expect(verdicts).toEqual([
    [
      { score: 1, pass: true },
      { score: 0.5, pass: false },
    ],
  ]);
});

describe('withinTime', () => {
  test('gives what the action gives, also inside another', () => {
    expect(withinTime(() => withinTime(() => [1]).concat(2))).toEqual([1, 2]);
  });

  test("passes the action's own errors on", () => {
    expect(() =>
      withinTime(() => {
        throw new InputError('no');
      }),
    ).toThrow(new InputError('no'));
  });
});
