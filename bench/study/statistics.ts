/** Means over a few seeds, with confidence intervals. */
import { mean } from '../../data/numbers.ts';
import { bootstrapMean, type Interval } from '../../evaluation/statistics.ts';

/** A mean with its confidence interval. */
export interface Estimate {
  mean: number;
  /** Absent for a single number. */
  interval?: Interval;
}

/** A value of a run: a number, or one for each held-out prompt. */
export type Value = number | number[];

/** The difference of two values; by prompt, if both are. */
export const less = (value: Value, other: Value): Value =>
  Array.isArray(value) && Array.isArray(other)
    ? value.map((one, i) => one - other[i])
    : average(value) - average(other);

const average = (value: Value) => (Array.isArray(value) ? mean(value) : value);

/** Of the bootstrap. */
const SEED = 0;

/**
 * The mean of the values of a few seeds, with its confidence interval. Of numbers: by Student's t over seeds. Of values by prompt: the
 * bootstrap over prompts of the mean over seeds, because so few seeds say little of their own spread.
 * @param comparisons the interval is one of so many that together contain their means with 95 % confidence, or more (Bonferroni)
 */
export function estimateOf(values: Value[], comparisons = 1): Estimate {
  if (!values.every((value) => Array.isArray(value))) return estimate(values.map(average), comparisons);
  const byPrompt = values[0].map((_, i) => mean(values.map((value) => value[i])));
  return { mean: mean(byPrompt), interval: bootstrapMean(byPrompt, SEED, 1 - 0.05 / comparisons) };
}

/** The mean of numbers with its confidence interval by Student's t. @param comparisons see {@link estimateOf} */
export function estimate(values: number[], comparisons = 1): Estimate {
  const center = mean(values);
  if (values.length < 2) return { mean: center };
  const freedom = values.length - 1;
  const variance = values.reduce((sum, value) => sum + (value - center) ** 2, 0) / freedom;
  const half = studentQuantile(1 - 0.025 / comparisons, freedom) * Math.sqrt(variance / values.length);
  return { mean: center, interval: { low: center - half, high: center + half } };
}

/** The p-quantile, p > 1/2, of Student's t distribution with a whole number of degrees of freedom. */
export function studentQuantile(p: number, freedom: number): number {
  // Bisects over the angle of t = sqrt(freedom) tan(angle), because the angle is bounded.
  let [low, high] = [0, Math.PI / 2];
  for (let halving = 0; halving < 60; halving++) {
    const middle = (low + high) / 2;
    if (centralProbability(middle, freedom) < 2 * p - 1) low = middle;
    else high = middle;
  }
  return Math.sqrt(freedom) * Math.tan(low);
}

/** P(|t| < sqrt(freedom) tan(angle)): the finite sums of Abramowitz and Stegun, 26.7.3 and 26.7.4. */
function centralProbability(angle: number, freedom: number): number {
  const odd = freedom % 2;
  const cos = Math.cos(angle);
  let term = odd ? cos : 1;
  let sum = freedom === 1 ? 0 : term;
  for (let power = 2 + odd; power < freedom - 1; power += 2) {
    term *= ((power - 1) / power) * cos ** 2;
    sum += term;
  }
  return odd ? (2 / Math.PI) * (angle + Math.sin(angle) * sum) : Math.sin(angle) * sum;
}
