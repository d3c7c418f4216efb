/** Standard errors and bootstrap intervals. */
import { mean } from '../data/numbers.ts';
import { uniformStream } from '../data/random.ts';

/** The sample standard deviation (divisor n - 1), of two values or more. */
export function standardDeviation(values: number[]): number {
  const center = mean(values);
  return Math.sqrt(values.reduce((total, value) => total + (value - center) ** 2, 0) / (values.length - 1));
}

/** The standard error of the mean: the standard deviation over the square root of the number of values. */
export const standardError = (values: number[]): number => standardDeviation(values) / Math.sqrt(values.length);

/** Of a bootstrap interval. */
const RESAMPLES = 10_000;

/** A closed interval. */
export interface Interval {
  low: number;
  high: number;
}

/**
 * The percentile bootstrap interval of the mean (Efron and Tibshirani 1993, chapter 13): the values are resampled with
 * replacement many times; the interval contains the middle `confidence` of the means.
 */
export function bootstrapMean(values: number[], seed: number, confidence = 0.95): Interval {
  return bootstrapRatio(values, Array<number>(values.length).fill(1), seed, confidence);
}

/**
 * The bootstrap interval of the mean of values that are resampled in groups, such as the ratings of a question.
 * @param sums the sum of the values of each group
 * @param counts the number of values of each group, at least one
 */
export function bootstrapRatio(sums: number[], counts: number[], seed: number, confidence = 0.95): Interval {
  const next = uniformStream(seed, 'bootstrap');
  const means = Float64Array.from({ length: RESAMPLES }, () => {
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

/** The interval that contains the middle `confidence` of the resampled statistics. */
export function bootstrapInterval(resampled: Float64Array, confidence = 0.95): Interval {
  const sorted = resampled.toSorted();
  return { low: quantile(sorted, (1 - confidence) / 2), high: quantile(sorted, (1 + confidence) / 2) };
}

/** The quantile of sorted values, with linear interpolation (numpy's default). */
export function quantile(sorted: Float64Array, q: number): number {
  const at = q * (sorted.length - 1);
  const below = Math.floor(at);
  return sorted[below] + (at - below) * (sorted[Math.min(below + 1, sorted.length - 1)] - sorted[below]);
}

/** The 0.975 quantile of the standard normal distribution. */
const Z = 1.959963984540054;

/**
 * The 95 % interval of a probability p after k of n trials: Wilson's score interval, which holds for small n and at 0 and 1 too.
 * It contains every p with |k / n - p| <= z sqrt(p (1 - p) / n). Source: E. B. Wilson, Probable Inference, the Law of Succession, and
 * Statistical Inference, Journal of the American Statistical Association 22 (1927).
 * @param n at least 1
 */
export function wilsonInterval(k: number, n: number): Interval {
  const share = k / n;
  const center = share + Z ** 2 / (2 * n);
  const half = Z * Math.sqrt((share * (1 - share)) / n + (Z / (2 * n)) ** 2);
  const scale = 1 + Z ** 2 / n;
  return { low: Math.max(0, (center - half) / scale), high: Math.min(1, (center + half) / scale) };
}
