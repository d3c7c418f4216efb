/** The numbers of a comparison, and how sure they are. */
import { uniformStream } from '../data/random.ts';

export const mean = (values: number[]): number => values.reduce((total, value) => total + value, 0) / values.length;

export interface Interval {
  low: number;
  high: number;
}

/**
 * The percentile bootstrap interval of the mean (Efron and Tibshirani 1993, chapter 13): the values are drawn anew with
 * replacement many times; the interval holds the middle `confidence` of the means.
 */
export function bootstrapMean(values: number[], seed: number, confidence = 0.95): Interval {
  return bootstrapRatio(values, Array<number>(values.length).fill(1), seed, confidence);
}

/**
 * The same of the mean of values that are drawn in groups, such as all of a question's.
 * @param sums of each group's values
 * @param counts how many values each group has, at least one
 */
export function bootstrapRatio(
  sums: number[],
  counts: number[],
  seed: number,
  confidence = 0.95,
  resamples = 10_000,
): Interval {
  const next = uniformStream(seed, 'bootstrap');
  const means = Float64Array.from({ length: resamples }, () => {
    let [total, count] = [0, 0];
    for (let i = 0; i < sums.length; i++) {
      const drawn = Math.floor(next() * sums.length);
      total += sums[drawn];
      count += counts[drawn];
    }
    return total / count;
  });
  return bootstrapInterval(means, confidence);
}

/** The interval that holds the middle `confidence` of what the resamples gave. */
export function bootstrapInterval(resampled: Float64Array, confidence = 0.95): Interval {
  const sorted = resampled.toSorted();
  return { low: quantile(sorted, (1 - confidence) / 2), high: quantile(sorted, (1 + confidence) / 2) };
}

/** The quantile of sorted values, linear between neighbours (numpy's default). */
export function quantile(sorted: Float64Array, q: number): number {
  const at = q * (sorted.length - 1);
  const below = Math.floor(at);
  return sorted[below] + (at - below) * (sorted[Math.min(below + 1, sorted.length - 1)] - sorted[below]);
}
