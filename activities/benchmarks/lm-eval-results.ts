/** The result files of lm-evaluation-harness, as rows and in the artifact. */
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { BenchmarkRow } from '../../evaluation/benchmarks/result.ts';
import type { StepFolder } from '../step-folder.ts';

/** The part of a results file that the rows are made of. */
interface Results {
  /** By task: `acc,none`, `acc_stderr,none` and so on, where `none` is the name of a filter. */
  results: Record<string, Record<string, unknown>>;
  'n-samples'?: Record<string, { effective: number }>;
  group_subtasks?: Record<string, string[]>;
}

/**
 * Copies the files of a call into an artifact, without the time in their names, and reads its rows.
 * @param out the call's output folder
 * @param number of the call, in the file names
 */
export async function takeResults(out: string, artifact: StepFolder, number: number): Promise<BenchmarkRow[]> {
  const files = (await readdir(out, { recursive: true })).map((name) => join(out, name));
  const results = files.find((file) => /^results_.*\.json$/.test(basename(file)))!;
  await artifact.copy(results, `results-${number}.json`);
  for (const file of files) {
    const task = /^samples_(.+)_\d{4}-\d\d-\d\dT[^_]*\.jsonl$/.exec(basename(file))?.[1];
    if (task !== undefined) await artifact.copy(file, `samples-${task}.jsonl`);
  }
  return rowsOf(JSON.parse(await readFile(results, 'utf8')) as Results);
}

function rowsOf({ results, 'n-samples': counts = {}, group_subtasks: groups = {} }: Results): BenchmarkRow[] {
  const countOf = (task: string): number =>
    counts[task]?.effective ?? (groups[task] ?? []).reduce((sum, below) => sum + countOf(below), 0);
  return Object.entries(results).flatMap(([task, figures]) =>
    Object.entries(figures).flatMap(([name, value]) => {
      const [metric, filter] = name.split(',');
      if (typeof value !== 'number' || filter === undefined || metric.endsWith('_stderr')) return [];
      const error = figures[`${metric}_stderr,${filter}`];
      return [
        {
          task,
          metric: filter === 'none' ? metric : name,
          value,
          ...(typeof error === 'number' && { error }),
          count: countOf(task),
        },
      ];
    }),
  );
}
