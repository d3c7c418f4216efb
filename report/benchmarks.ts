/** The benchmarks of a run: the table of the SELM paper with a row for the start policy and each measured round, and all figures. */
import type { RunConfig } from '../config/run.ts';
import type { BenchmarkRow } from '../evaluation/benchmarks/result.ts';
import { mean } from '../data/numbers.ts';
import type { RunStatus } from '../workflows/status.ts';
import { html, type Html } from './html.ts';
import { table } from './layout.ts';
import { COLUMNS, paperModelOf, type Column, type Figures, type PaperModel } from './paper.ts';

/** Where the figure of a column comes from: the first metric of the first task that a run has. */
interface Source {
  tasks: string[];
  metrics: RegExp[];
  /** lm-evaluation-harness gives shares, where the paper has per cent. */
  scale: number;
  digits: number;
}

const source = (tasks: string[], metrics: RegExp[], scale: number, digits: number): Source => ({
  tasks,
  metrics,
  scale,
  digits,
});
const accuracy = (task: string, metric: string) => source([task], [new RegExp(`^${metric}(,|$)`)], 100, 1);

const SOURCES: Record<Exclude<Column, 'average'>, Source> = {
  'AlpacaEval 2 LC': source(['alpaca-eval'], [/^length_controlled_winrate$/], 1, 2),
  'AlpacaEval 2 WR': source(['alpaca-eval'], [/^win_rate$/], 1, 2),
  'avg. length': source(['alpaca-eval'], [/^avg_length$/], 1, 0),
  'MT-Bench': source(['mt-bench'], [/^score$/], 1, 2),
  '1st turn': source(['mt-bench'], [/^score_first_turn$/], 1, 2),
  '2nd turn': source(['mt-bench'], [/^score_second_turn$/], 1, 2),
  GSM8K: source(['gsm8k_cot', 'gsm8k'], [/^exact_match,strict-match$/, /^exact_match/], 100, 1),
  HellaSwag: accuracy('hellaswag', 'acc_norm'),
  ARC: accuracy('arc_challenge', 'acc_norm'),
  TruthfulQA: accuracy('truthfulqa_mc2', 'acc'),
  EQ: source(['eq_bench'], [/^eqbench(,|$)/], 1, 1),
  OBQA: accuracy('openbookqa', 'acc_norm'),
};
const ACADEMIC = ['GSM8K', 'HellaSwag', 'ARC', 'TruthfulQA', 'EQ', 'OBQA'] as const;

/** A policy's figures in all benchmarks. */
interface Measured {
  round: number;
  rows: BenchmarkRow[];
}

/** The section. Absent for a run without benchmarks. */
export function benchmarksSection({ config, status }: { config: RunConfig; status: RunStatus }): Html | undefined {
  const { benchmarks = [] } = status;
  if (benchmarks.length === 0) return undefined;
  const rounds = [...new Set(benchmarks.map(({ round }) => round))].sort((a, b) => a - b);
  const policies = rounds.map((round): Measured => {
    return { round, rows: benchmarks.filter((done) => done.round === round).flatMap(({ rows }) => rows) };
  });
  const skipped = benchmarks.filter(({ address }) => address === undefined);
  return html`<section>
    <h2>Benchmarks</h2>
    ${paperTable(policies, paperModelOf(config))} ${allFigures(policies)}
    ${skipped.map(({ benchmark, round }) => html`<p class="warning">${benchmark} of ${nameOf(round)} was skipped.</p>`)}
  </section>`;
}

const nameOf = (round: number) => (round === 0 ? 'start' : `round ${round}`);

/** The paper's own table, with the columns of which the run has a figure, and the paper's figures where its recipe is the paper's. */
function paperTable(policies: Measured[], paper: PaperModel | undefined): Html | undefined {
  const cells = policies.map(({ rows }) => cellsOf(rows));
  const columns = COLUMNS.filter((column) => cells.some((own) => own[column] !== undefined));
  if (columns.length === 0) return undefined;
  const rows = policies.flatMap(({ round }, i) => {
    const theirs = round === 0 ? paper?.start.figures : paper?.iterations[round - 1];
    return [
      [nameOf(round), ...columns.map((column) => cells[i][column] ?? '')],
      ...(theirs
        ? [[`paper, ${theirName(round, paper!)}`, ...columns.map((column) => theirCell(theirs, column))]]
        : []),
    ];
  });
  return html`${table('benchmarks', ['', ...columns], rows)}
    <p class="note">
      AlpacaEval 2: win rates over the baseline in per cent, length-controlled (LC) and raw (WR); lengths in characters.
      MT-Bench: mean ratings from 1 to 10. Others: accuracy in per cent. After ±: the standard error.
    </p>
    ${
      paper &&
      html`<p class="note">
        Paper: <a href="https://arxiv.org/abs/2405.19332v3">arXiv 2405.19332v3</a>, Tables 1 (means of 3 runs) and 2
        (GSM8K: 8-shot chain of thought; HellaSwag and OBQA: 10-shot; ARC: 25-shot; TruthfulQA and EQ: 0-shot). Compare
        only with the same judge, annotator and number of shots. ${paper.difference}
      </p>`
    }`;
}

const theirName = (round: number, { start }: PaperModel) => (round === 0 ? start.name : `iteration ${round}`);

const theirCell = (figures: Figures, column: Column): string => figures[column]?.toFixed(digitsOf(column)) ?? '';

const digitsOf = (column: Column) => (column === 'average' ? 1 : SOURCES[column].digits);

function cellsOf(rows: BenchmarkRow[]): Partial<Record<Column, string>> {
  const cells: Partial<Record<Column, string>> = {};
  const academic: number[] = [];
  for (const [name, { tasks, metrics, scale, digits }] of Object.entries(SOURCES)) {
    const column = name as keyof typeof SOURCES;
    const found = tasks
      .flatMap((task) => metrics.map((metric) => rows.find((row) => row.task === task && metric.test(row.metric))))
      .find((row) => row !== undefined);
    if (!found) continue;
    cells[column] = withError(scale * found.value, found.error && scale * found.error, digits);
    if ((ACADEMIC as readonly string[]).includes(column)) academic.push(scale * found.value);
  }
  // The paper's mean is of all six.
  if (academic.length === ACADEMIC.length) cells.average = mean(academic).toFixed(1);
  return cells;
}

const withError = (value: number, error: number | undefined, digits: number): string =>
  error === undefined ? value.toFixed(digits) : `${value.toFixed(digits)} ± ${error.toFixed(digits)}`;

const FIGURE_DIGITS = 4;

const keyOf = ({ task, metric }: BenchmarkRow) => `${task} ${metric}`;

/** All figures, in the units of the benchmarks. */
function allFigures(policies: Measured[]): Html {
  const keys = [...new Set(policies.flatMap(({ rows }) => rows.map(keyOf)))];
  const rows = keys.map((key) => [
    key,
    ...policies.map(({ rows: own }) => {
      const row = own.find((one) => keyOf(one) === key);
      return row ? `${withError(row.value, row.error, FIGURE_DIGITS)} (${row.count})` : '';
    }),
  ]);
  return html`<details>
    <summary>All figures</summary>
    ${table('benchmark-figures', ['', ...policies.map(({ round }) => nameOf(round))], rows)}
    <p class="note">
      In the units of each benchmark, with the standard error, and the number of items that a figure is the mean of.
    </p>
  </details>`;
}
