/** The results of benchmarks as lines of text. */
import type { BenchmarkRow } from '../evaluation/benchmarks/result.ts';
import type { RunStatus } from '../workflows/status.ts';

/** A line for each measured policy and benchmark, such as `Round 2, ifeval: prompt_level_strict_acc 0.250 ± 0.019 (541), …`. */
export const benchmarkLines = ({ benchmarks = [] }: Pick<RunStatus, 'benchmarks'>): string[] =>
  benchmarks.map(({ round, benchmark, address, rows }) => {
    const policy = round === 0 ? 'Start' : `Round ${round}`;
    const figures = address === undefined ? 'skipped' : rows.map((row) => describe(row, benchmark)).join(', ');
    return `${policy}, ${benchmark}: ${figures}`;
  });

const describe = ({ task, metric, value, error, count }: BenchmarkRow, benchmark: string): string =>
  `${task === benchmark ? '' : `${task} `}${metric} ${value.toFixed(3)}${error === undefined ? '' : ` ± ${error.toFixed(3)}`} (${count})`;
