/** The page's comparison with the peers that serve language models: expected cells are worked out by hand. */
import { expect, test } from 'vitest';
import { equalTokens } from '../../bench/agreement.ts';
import { generationSection } from '../../bench/generation-section.ts';
import { goals, reached } from '../../bench/goals.ts';
import type { Results } from '../../bench/results.ts';

/** 100 tokens in these seconds; the process took 10 s to start. */
const run = (seconds: number) => ({ seconds, startSeconds: 10, tokens: 100, peakMebibytes: 1 });

const resultsOf = (vllmSeconds: number): Results => ({
  machine: 'a machine',
  threads: 2,
  versions: {},
  cases: [
    {
      name: 'generate 16 f32',
      sides: {
        selm: { runs: [run(2), run(2.5), run(1)], equalTokens: 1 },
        pytorch: { runs: [run(10)], equalTokens: 1 },
        vllm: { runs: [run(vllmSeconds)], equalTokens: 0.75 },
        ctranslate2: { runs: [], missing: 'it could not be made here' },
      },
    },
  ],
});

const goal = (results: Results) => goals(results).find(({ text }) => text.startsWith('generate:'))!;

test('a goal compares selm with the fastest of all peers, and is missed if that one is faster', () => {
  // selm's median is 50 tokens/s; the fastest peer has 25, and then 62.5.
  expect(goal(resultsOf(4))).toMatchObject({ measured: 2, wanted: 1 });
  expect(reached(goal(resultsOf(4)))).toBe(true);
  expect(goal(resultsOf(1.6)).measured).toBeCloseTo(0.8);
  expect(reached(goal(resultsOf(1.6)))).toBe(false);
});

test('the table shows the rates with and without the start, the fastest side, equal tokens and missing peers', () => {
  const section = generationSection(resultsOf(1.6));
  expect(section).toContain('| 16 rows, float32 | 50 | 10 |  | **63** |  |  |  | vLLM |');
  expect(section).toContain('| 16 rows, float32, from start | 8 | 5 |  | **9** |  |  |  | vLLM |');
  expect(section).toContain('| 16 rows, float32 | 100.0 % | 100.0 % |  | 75.0 % |  |  |  |');
  expect(section).toContain('- CTranslate2, 16 rows, float32: it could not be made here.');
});

test('equal tokens are counted position by position', () => {
  const transformers = [
    [1, 2, 3, 4],
    [5, 6, 7, 8],
  ];
  expect(
    equalTokens(
      [
        [1, 2, 3, 4],
        [5, 6, 9, 8],
      ],
      transformers,
    ),
  ).toBe(7 / 8);
});
