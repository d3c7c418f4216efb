/** AlpacaEval 2 as a benchmark: its files, its prompts with the baseline's outputs, and its figures. */
import { z } from 'zod';
import { InputError } from '../../data/errors.ts';
import { jsonOf } from '../../data/json.ts';
import type { PromptRecord, SampledRecord } from '../../data/records.ts';
import type { BenchmarkResult } from './result.ts';

/** Files of the data set: the baseline's outputs, and the instructions' difficulties with the gamed baselines (arXiv 2404.04475). */
export const BASELINE_FILE = 'alpaca_eval_gpt4_baseline.json';
export const GAMED_FILE = 'df_gamed.csv';

/** The policy's name in alpaca_eval's files. */
const GENERATOR = 'policy';

const outputSchema = z.looseObject({
  instruction: z.string().min(1),
  output: z.string(),
  generator: z.string(),
  dataset: z.string().default('alpaca_eval'),
});
/** An output in alpaca_eval's format. */
type Output = z.infer<typeof outputSchema>;

/** What a prompt has with it, so that the responses are all that alpaca_eval needs. */
const instructionSchema = z.looseObject({
  prompt: z.string(),
  baseline: outputSchema,
  /** The header of GAMED_FILE, and its rows for this instruction. */
  gamed: z.array(z.string()).min(2),
});

/**
 * The prompts with all that alpaca_eval needs.
 * @param baseline the content of BASELINE_FILE
 * @param gamed the content of GAMED_FILE
 * @param folder of the files, for errors
 * @throws InputError when a file is not of alpaca_eval's format, or the files do not belong together
 */
export function instructionsOf(baseline: string, gamed: string, folder: string, limit?: number): PromptRecord[] {
  const { success, data: outputs } = z.array(outputSchema).min(1).safeParse(jsonOf(baseline));
  if (!success) {
    throw new InputError(
      `${folder}: ${BASELINE_FILE} is not a list of {instruction, output, generator}; get it from tatsu-lab/alpaca_eval.`,
    );
  }
  const [header, ...rows] = gamed.split(/\r?\n/).filter(Boolean);
  const at = header?.split(',').indexOf('index') ?? -1;
  const byIndex = new Map<number, string[]>();
  for (const row of rows) {
    const index = Number(row.split(',')[at]);
    byIndex.set(index, [...(byIndex.get(index) ?? []), row]);
  }
  return outputs.slice(0, limit).map((output, i) => {
    const own = byIndex.get(i);
    if (!own) {
      throw new InputError(
        `${folder}: ${GAMED_FILE} has no row with index ${i}; it must have every instruction of ${BASELINE_FILE}.`,
      );
    }
    return { id: `instruction ${i}`, prompt: output.instruction, baseline: output, gamed: [header, ...own] };
  });
}

/** The files that alpaca_eval reads. @param rows responses to the prompts of `instructionsOf`, in order */
export function filesOf(rows: SampledRecord[]): { outputs: Output[]; baseline: Output[]; gamed: string } {
  const instructions = rows.map((row) => instructionSchema.parse(row));
  const [header] = instructions[0].gamed;
  // alpaca_eval finds the difficulty of instruction i in row i: first a baseline's rows in order, then the next baseline's.
  const baselines = Math.max(...instructions.map(({ gamed }) => gamed.length - 1));
  const lines = Array.from({ length: baselines }, (_, i) => instructions.flatMap(({ gamed }) => gamed[i + 1] ?? []));
  return {
    outputs: instructions.map(({ prompt, baseline: { dataset } }, i) => ({
      dataset,
      instruction: prompt,
      output: rows[i].responses[0].text,
      generator: GENERATOR,
    })),
    baseline: instructions.map(({ baseline }) => baseline),
    gamed: `${[header, ...lines.flat()].join('\n')}\n`,
  };
}

/** The figures that are reported, with the columns of their standard errors. */
const METRICS: Record<string, string | undefined> = {
  length_controlled_winrate: 'lc_standard_error',
  win_rate: 'standard_error',
  discrete_win_rate: undefined,
  avg_length: undefined,
};

/**
 * The figures in alpaca_eval's leaderboard, in its units: win rates in per cent, lengths in characters.
 * @param leaderboard the content of leaderboard.csv, with one model
 * @param asked the number of comparisons
 * @throws InputError when no comparison has a preference
 */
export function alpacaEvalResult(leaderboard: string, asked: number): BenchmarkResult {
  const [names, values] = leaderboard
    .trim()
    .split('\n')
    .map((line) => line.trim().split(','));
  const figures = new Map(names.map((name, i) => [name, Number(values[i] || Number.NaN)]));
  const count = figures.get('n_total')!;
  if (count === 0) throw new InputError('AlpacaEval: no comparison has a preference; choose another annotator.');
  const rows = Object.entries(METRICS).map(([metric, error]) => ({
    task: 'alpaca-eval',
    metric,
    value: figures.get(metric)!,
    ...(error !== undefined && { error: figures.get(error)! }),
    count,
  }));
  const missing = asked - count;
  return {
    benchmark: 'alpaca-eval',
    rows: [
      ...rows,
      ...(missing > 0
        ? [{ task: 'alpaca-eval', metric: 'comparisons_without_preference', value: missing, count: asked }]
        : []),
    ],
  };
}
