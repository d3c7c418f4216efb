import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { mean } from '../../data/numbers.ts';
import { bootstrapMean, wilsonInterval } from '../../evaluation/statistics.ts';

interface Case {
  name: string;
  values: number[];
  confidence: number;
  mean: number;
  low: number;
  high: number;
  standard_error: number;
}
const file = new URL('../fixtures/statistics/bootstrap.json', import.meta.url);
const { cases } = JSON.parse(readFileSync(file, 'utf8')) as { cases: Case[] };

describe('a bootstrap interval', () => {
  test.each(cases)(
    "of $name at $confidence is scipy's",
    ({ values, confidence, low, high, standard_error, ...rest }) => {
      const interval = bootstrapMean(values, 0, confidence);
      // Of 10,000 resamples, the ends have a standard deviation of 0.03 standard errors of the mean.
      const tolerance = 0.1 * standard_error;
      expect(Math.abs(interval.low - low)).toBeLessThan(tolerance);
      expect(Math.abs(interval.high - high)).toBeLessThan(tolerance);
      expect(mean(values)).toBeCloseTo(rest.mean, 12);
    },
  );

  test('is the same for the same seed, and another for another', () => {
    const { values } = cases.find(({ name }) => name === 'few and skewed')!;
    expect(bootstrapMean(values, 3)).toEqual(bootstrapMean(values, 3));
    expect(bootstrapMean(values, 3)).not.toEqual(bootstrapMean(values, 4));
  });

  test('of one value is that value', () => {
    expect(bootstrapMean([0.5], 0)).toEqual({ low: 0.5, high: 0.5 });
  });
});

const wilson = JSON.parse(readFileSync(new URL('../fixtures/statistics/wilson.json', import.meta.url), 'utf8')) as {
  cases: { k: number; n: number; low: number; high: number }[];
};

test.each(wilson.cases)("Wilson's interval of $k of $n is scipy's", ({ k, n, low, high }) => {
  const interval = wilsonInterval(k, n);
  expect(interval.low).toBeCloseTo(low, 12);
  expect(interval.high).toBeCloseTo(high, 12);
});
