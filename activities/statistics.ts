/** The numbers of a comparison, and how sure they are. */
import { uniformStream } from '../engine/random.ts';

export const mean = (values: number[]): number => values.reduce((total, value) => total + value, 0) / values.length;

export interface Interval {
  low: number;
  high: number;
}

/**
 * The percentile bootstrap interval of the mean (Efron and Tibshirani 1993, chapter 13): the values are drawn anew with
 * replacement many times; the interval holds the middle `confidence` of the means.
 */
export function bootstrapMean(values: number[], seed: number, confidence = 0.95, resamples = 10_000): Interval {
  const next = uniformStream(seed, 'bootstrap');
  const means = Float64Array.from({ length: resamples }, () => {
    let total = 0;
    for (let i = 0; i < values.length; i++) total += values[Math.floor(next() * values.length)];
    return total / values.length;
  });
  return bootstrapInterval(means, confidence);
}

/** The interval that holds the middle `confidence` of what the resamples gave. */
export function bootstrapInterval(resampled: Float64Array, confidence = 0.95): Interval {
  const sorted = resampled.toSorted();
  return { low: quantile(sorted, (1 - confidence) / 2), high: quantile(sorted, (1 + confidence) / 2) };
}

/** The quantile of sorted values, linear between neighbours (numpy's default). */
function quantile(sorted: Float64Array, q: number): number {
  const at = q * (sorted.length - 1);
  const below = Math.floor(at);
  return sorted[below] + (at - below) * (sorted[Math.min(below + 1, sorted.length - 1)] - sorted[below]);
}
