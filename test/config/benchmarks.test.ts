/** The benchmarks of a configuration. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import { benchmarkOf } from '../../config/benchmarks.ts';
import { loadConfig } from '../../config/load.ts';
import { temporaryFolder } from '../temporary.ts';

const folder = temporaryFolder();
const file = join(folder, 'run.yaml');

function load(evaluate: object) {
  const prompts = { train: './train.jsonl', heldOut: 8 };
  writeFileSync(file, stringify({ name: 'run', model: 'org/model', prompts, evaluate }));
  return loadConfig(file).evaluate;
}

const benchmarks = (...entries: unknown[]) => (load({ benchmarks: entries }).benchmarks ?? []).map(benchmarkOf);

test('are named, or have settings', () => {
  expect(benchmarks('ifeval')).toEqual([{ name: 'ifeval', maxNewTokens: 1280 }]);
  expect(benchmarks({ ifeval: { limit: 3 } })).toEqual([{ name: 'ifeval', maxNewTokens: 1280, limit: 3 }]);
});

test('tasks have the examples of the Open LLM Leaderboard, their own number, or the one that is given', () => {
  const tasks = ['arc_challenge', 'openbookqa', { task: 'gsm8k', numFewshot: 8 }];
  const expected = [
    { task: 'arc_challenge', numFewshot: 25 },
    { task: 'openbookqa' },
    { task: 'gsm8k', numFewshot: 8 },
  ];
  expect(benchmarks({ 'lm-eval': tasks })).toEqual([{ name: 'lm-eval', tasks: expected, maxLength: 4096 }]);
  const [found] = benchmarks({ 'lm-eval': { tasks: ['mine'], includePath: './tasks', limit: 2, maxLength: 128 } });
  const settings = { includePath: join(folder, 'tasks'), limit: 2, maxLength: 128 };
  expect(found).toEqual({ name: 'lm-eval', tasks: [{ task: 'mine' }], ...settings });
});

test('a configuration without them has no key for them, so that it equals that of an earlier version', () => {
  expect(Object.keys(load({})).filter((key) => key.startsWith('benchmarks'))).toEqual([]);
});

test.each([
  [{ benchmarks: ['ifeval', { ifeval: {} }] }, /"evaluate.benchmarks" cannot be .*a benchmark is given twice/],
  [{ benchmarksWhen: 'accepted' }, /"evaluate.benchmarksWhen" .*there are no evaluate.benchmarks/],
  [{ benchmarks: ['glue'] }, /"evaluate.benchmarks.0" cannot be "glue": expected ifeval, mt-bench, .* or { lm-eval: /],
  // Its tasks have no default.
  [{ benchmarks: ['lm-eval'] }, /"evaluate.benchmarks.0" cannot be "lm-eval": expected .* or { lm-eval: \[TASK, …\] }/],
  [
    { benchmarks: [{ ifeval: {}, 'lm-eval': ['gsm8k'] }] },
    /there is no key "evaluate.benchmarks.0.lm-eval" beside "ifeval"; remove it/,
  ],
  [{ benchmarks: [{ 'lm-eval': ['a,b'] }] }, /evaluate.benchmarks.0.*(without commas|Invalid input)/],
  [{ benchmarks: [{ ifeval: { limits: 3 } }] }, /there is no key "evaluate.benchmarks.0.ifeval.limits"/],
])('%j is refused', (evaluate, message) => {
  expect(() => load(evaluate)).toThrow(message);
});
