/** What a new user reads: the help names required options, one row is singular, and nothing to list is said. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { selm } from '../command.ts';
import { temporaryFolder } from '../temporary.ts';

const folder = temporaryFolder();
const path = (name: string) => join(folder, name);
const responses = path('responses.jsonl');
writeFileSync(
  responses,
  `${JSON.stringify({ prompt: 'Name a day.', pattern: 'day$', responses: [{ text: 'Monday' }, { text: 'May' }] })}\n`,
);

test('the help of a command marks the required options, and only these', async () => {
  const { stdout } = await selm(['sample', '--help'], {});
  const text = stdout.replace(/\s+/g, ' ');
  const marked = [...text.matchAll(/--([a-z-]+) <[^>]+>(?:(?! --[a-z]).)*?\(required\)/g)].map(([, name]) => name);
  expect(marked).toEqual(['model', 'prompts', 'out']);
});

test('one preference of one prompt', async () => {
  const out = path('preferences.jsonl');
  const { code, stdout } = await selm(['label', '--by', 'regex', '--in', responses, '--out', out], {});
  expect([code, stdout]).toEqual([0, `${out}: 1 preference from 1 prompt.\n`]);
});

test('a labeler without its settings names the flag for them', async () => {
  const { code, stderr } = await selm(['label', '--by', 'module', '--in', responses, '--out', path('none')], {});
  expect(code).toBe(2);
  expect(stderr).toContain('--by module: "path" is missing');
  expect(stderr).toContain('--label-config FILE');
});

test('no policies are a sentence, and an empty list as JSON', async () => {
  const env = { SELM_HOME: path('home') };
  expect((await selm(['policies'], env)).stdout).toBe('No policies have been released.\n');
  expect((await selm(['policies', '--json'], env)).stdout).toBe('[]\n');
});
