/** The benchmarks of a run in its report, beside the paper's figures. */
import { describe, expect, test } from 'vitest';
import { runSchema, type RunConfig } from '../../config/run.ts';
import type { BenchmarkRow } from '../../evaluation/benchmarks/result.ts';
import { mean } from '../../data/numbers.ts';
import { consequencesOf } from '../../report/decisions.ts';
import { describeFailure } from '../../report/failure.ts';
import { content } from '../../report/page.ts';
import { COLUMNS, paperModelOf } from '../../report/paper.ts';
import type { MeasuredBenchmark, RunStatus } from '../../workflows/status.ts';

const configOf = (settings: object): RunConfig => ({
  ...runSchema.parse({
    name: 'run',
    prompts: { train: 'HuggingFaceH4/ultrafeedback_binarized:train_prefs', heldOut: 8 },
    label: { by: 'pairrm', model: 'llm-blender/PairRM-hf' },
    optimize: { full: true, objective: { name: 'selm', beta: 0.01, alpha: 1e-4 } },
    ...settings,
  }),
  threads: 1,
});
const llama = configOf({ model: 'meta-llama/Meta-Llama-3-8B-Instruct' });
const selm = { name: 'selm', beta: 0.01, alpha: 1e-3 };

const row = (task: string, metric: string, value: number, error?: number): BenchmarkRow => ({
  task,
  metric,
  value,
  ...(error !== undefined && { error }),
  count: 100,
});
const academic = (shift: number): BenchmarkRow[] => [
  row('gsm8k', 'exact_match,strict-match', 0.7 + shift, 0.01),
  row('gsm8k', 'exact_match,flexible-extract', 0.9),
  row('hellaswag', 'acc,none', 0.1),
  row('hellaswag', 'acc_norm,none', 0.8),
  row('arc_challenge', 'acc_norm,none', 0.6),
  row('truthfulqa_mc2', 'acc,none', 0.5),
  row('eq_bench', 'eqbench,none', 61.5),
  row('openbookqa', 'acc_norm,none', 0.4),
];
const measured = (round: number, benchmark: string, rows: BenchmarkRow[]): MeasuredBenchmark => ({
  round,
  policy: 'p',
  benchmark,
  ...(rows.length > 0 && { address: 'a' }),
  rows,
});
const alpaca = (lc: number, wr: number) => [
  row('alpaca-eval', 'length_controlled_winrate', lc, 0.5),
  row('alpaca-eval', 'win_rate', wr, 1.25),
  row('alpaca-eval', 'avg_length', 1903),
];
const mtBench = (score: number) => [
  row('mt-bench', 'score', score, 0.12),
  row('mt-bench', 'score_first_turn', score + 0.5),
  row('mt-bench', 'score_second_turn', score - 0.5),
];
const benchmarks = [
  measured(0, 'alpaca-eval', alpaca(22.9, 22.6)),
  measured(0, 'mt-bench', mtBench(7.93)),
  measured(0, 'lm-eval', academic(0)),
  measured(2, 'alpaca-eval', alpaca(33.5, 32.6)),
  measured(2, 'mt-bench', []),
  measured(2, 'lm-eval', academic(0.05)),
];

/** The page's content, and the cells of one of its tables. */
function reportOf(config: RunConfig, done?: MeasuredBenchmark[]) {
  const status = {
    name: 'run',
    state: 'done',
    rounds: 3,
    repairs: [],
    skipped: [],
    results: [],
    ...(done && { benchmarks: done }),
  } as unknown as RunStatus;
  const { text } = content({ config, status, rounds: [], origins: [], times: [] });
  const cellsOf = (table: string): string[][] => {
    const [, inner] = new RegExp(`<table id="${table}">(.*?)</table>`, 's').exec(text)!;
    return inner
      .split('<tr>')
      .slice(1)
      .map((line) => [...line.matchAll(/<t[hd]>(.*?)<\/t[hd]>/g)].map(([, cell]) => cell));
  };
  return { text, cellsOf };
}

const line = (cells: string) => cells.split('|').map((cell) => cell.trim());

test("the paper's own table has a row for the start and for each measured round, with the paper's figures beside it", () => {
  const { text, cellsOf } = reportOf(llama, benchmarks);
  expect(cellsOf('benchmarks')).toEqual([
    ['', ...COLUMNS],
    line(
      'start | 22.90 ± 0.50 | 22.60 ± 1.25 | 1903 | 7.93 ± 0.12 | 8.43 | 7.43 | 70.0 ± 1.0 | 80.0 | 60.0 | 50.0 | 61.5 | 40.0 | 60.3',
    ),
    line(
      'paper, Llama-3-8B-Instruct | 22.92 | 22.57 | 1899 | 7.93 | 8.47 | 7.38 | 76.7 | 78.6 | 60.8 | 51.7 | 61.8 | 38.0 | 61.3',
    ),
    line(
      'round 2 | 33.50 ± 0.50 | 32.60 ± 1.25 | 1903 |  |  |  | 75.0 ± 1.0 | 80.0 | 60.0 | 50.0 | 61.5 | 40.0 | 61.1',
    ),
    line(
      'paper, iteration 2 | 33.53 | 32.61 | 1919 | 8.18 | 8.69 | 7.66 | 79.3 | 81.8 | 64.7 | 56.5 | 64.2 | 42.6 | 64.9',
    ),
  ]);
  expect(text).toContain('arXiv 2405.19332v3');
  expect(text).toContain('mt-bench of round 2 was skipped.');
  expect(cellsOf('benchmark-figures')).toContainEqual([
    'gsm8k exact_match,flexible-extract',
    '0.9000 (100)',
    '0.9000 (100)',
  ]);
});

test('columns without a figure are left out, and so is the mean of an incomplete set', () => {
  const some = [measured(0, 'lm-eval', academic(0).slice(0, 4))];
  expect(reportOf(llama, some).cellsOf('benchmarks')[0]).toEqual(['', 'GSM8K', 'HellaSwag']);
});

test('a benchmark that the paper does not have is among all figures only', () => {
  const { text, cellsOf } = reportOf(llama, [
    measured(0, 'ifeval', [row('ifeval', 'prompt_level_strict_acc', 0.25, 0.02)]),
  ]);
  expect(text).not.toContain('<table id="benchmarks">');
  expect(cellsOf('benchmark-figures').slice(1)).toEqual([['ifeval prompt_level_strict_acc', '0.2500 ± 0.0200 (100)']]);
});

test('a run without benchmarks has no such section', () => {
  expect(reportOf(llama).text).not.toContain('Benchmarks');
});

describe("the paper's figures", () => {
  const models = [
    ['ZhangShenao/DPO-Zephyr-7B', selm],
    ['HuggingFaceH4/mistral-7b-sft-beta', selm],
    ['alignment-handbook/zephyr-7b-sft-full@main', selm],
    ['meta-llama/Meta-Llama-3-8B-Instruct', { ...selm, alpha: 1e-4 }],
  ] as const;

  test.each(models)('of %s agree with their own means', (model, objective) => {
    const { start, iterations } = paperModelOf(configOf({ model, optimize: { full: true, objective } }))!;
    expect(iterations).toHaveLength(3);
    for (const figures of [start.figures, ...iterations]) {
      const of = (...columns: (typeof COLUMNS)[number][]) => mean(columns.map((column) => figures[column]!));
      // Means of rounded figures.
      expect(Math.abs(figures['MT-Bench']! - of('1st turn', '2nd turn'))).toBeLessThan(0.011);
      expect(Math.abs(figures.average! - of('GSM8K', 'HellaSwag', 'ARC', 'TruthfulQA', 'EQ', 'OBQA'))).toBeLessThan(
        0.11,
      );
    }
  });

  test('are shown only where the recipe is the paper’s', () => {
    const model = 'meta-llama/Meta-Llama-3-8B-Instruct';
    const others = [
      { model: 'HuggingFaceTB/SmolLM2-135M-Instruct' },
      { model, optimize: { full: true, objective: { ...selm, alpha: 1e-3 } } },
      { model, optimize: { full: true, objective: { name: 'dpo', beta: 0.01 } } },
      { model, label: { by: 'verifier' } },
      { model, prompts: { train: './own.jsonl', heldOut: 8 } },
    ];
    expect(others.map((settings) => paperModelOf(configOf(settings)))).toEqual(others.map(() => undefined));
    expect(reportOf(configOf(others[1]), benchmarks).text).not.toContain('paper');
  });

  test('say what differs for Zephyr-7B-SFT', () => {
    const config = configOf({
      model: 'alignment-handbook/zephyr-7b-sft-full',
      optimize: { full: true, objective: selm },
    });
    expect(reportOf(config, benchmarks).text).toContain('this run starts SELM from Zephyr-7B-SFT');
  });
});

test('a benchmark of the start policy that has failed can be skipped, and a skip is said to skip no round', () => {
  const failure = { step: 'benchmarks', message: 'No server.', since: '2026-01-01T00:00:00Z' };
  const status = { name: 'run', rounds: 2, results: [], failure } as unknown as RunStatus;
  expect(describeFailure(status, failure)).toContain('selm retry run | selm skip run | selm stop run');
  expect(describeFailure(status, { ...failure, step: 'prepare' })).not.toContain('skip');
  expect(consequencesOf('skip', { status })).toEqual([
    expect.stringMatching(/^The benchmark that has failed is skipped/),
  ]);
});
