/** The results of all benchmarks have one form. */

/** A figure of a benchmark. */
export interface BenchmarkRow {
  /** The benchmark, or one of its tasks. */
  task: string;
  /** The metric by its usual name, such as `prompt_level_strict_acc`. */
  metric: string;
  value: number;
  /** Standard error of the value, where the benchmark has one. */
  error?: number;
  /** What the value is a mean of: the number of prompts, instructions, comparisons or ratings. */
  count: number;
}

/** The figures of a policy in a benchmark. */
export interface BenchmarkResult {
  benchmark: string;
  rows: BenchmarkRow[];
}

/**
 * The standard error of a share p of n independent items, as lm-evaluation-harness computes it from the sample's variance:
 * sqrt(p (1 - p) / (n - 1)). 0 for a single item.
 */
export const errorOfShare = (share: number, count: number): number =>
  count < 2 ? 0 : Math.sqrt((share * (1 - share)) / (count - 1));
