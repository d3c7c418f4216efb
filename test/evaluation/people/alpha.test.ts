import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { bootstrapAlpha } from '../../../evaluation/people/alpha.ts';

interface Case {
  name: string;
  votes: (string | null)[][];
  alpha: number | null;
  bootstrap?: { low: number; high: number; deviation: number };
}
const file = new URL('../../fixtures/agreement/agreement.json', import.meta.url);
const { cases } = JSON.parse(readFileSync(file, 'utf8')) as { cases: Case[] };

const questionsOf = ({ votes }: Case) => votes[0].map((_, i) => votes.flatMap((row) => row[i] ?? []));

test.each(cases.filter(({ bootstrap }) => bootstrap))('the interval of $name', (given) => {
  const { alpha, interval } = bootstrapAlpha(questionsOf(given), 0)!;
  const { low, high, deviation } = given.bootstrap!;
  expect(alpha).toBeCloseTo(given.alpha!, 9);
  // The ends of intervals of 4000 and 5000 resamples have standard deviations of 0.04 deviations.
  expect(Math.abs(interval!.low - low)).toBeLessThan(0.2 * deviation);
  expect(Math.abs(interval!.high - high)).toBeLessThan(0.2 * deviation);
});

test('the interval depends on the seed only', () => {
  const questions = questionsOf(cases[0]);
  expect(bootstrapAlpha(questions, 1)).toEqual(bootstrapAlpha(questions, 1));
  expect(bootstrapAlpha(questions, 1)).not.toEqual(bootstrapAlpha(questions, 2));
});

test('there is no interval where many resamples have votes of one class only, and no alpha where all have', () => {
  const same = Array.from({ length: 9 }, () => ['first', 'first']);
  const estimate = bootstrapAlpha([...same, ['first', 'second'], ['tie']], 0)!;
  expect(estimate).toEqual({ alpha: expect.any(Number), questions: 10 });
  expect(bootstrapAlpha(same, 0)).toBeUndefined();
});
