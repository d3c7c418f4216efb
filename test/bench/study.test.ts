/** The study's figures against SciPy's (see test/fixtures/study), its task `rare`, and its page against its results. */
import { existsSync, readFileSync } from 'node:fs';
import { format, resolveConfig } from 'prettier';
import { describe, expect, test } from 'vitest';
import { label, readLabels } from '../../activities/label.ts';
import { prefer } from '../../activities/prefer.ts';
import { comparisonsOf, correctedDifference, measuresOf } from '../../bench/study/measures.ts';
import { BASELINE, METHODS } from '../../bench/study/methods.ts';
import { describe as pageOf } from '../../bench/study/page.ts';
import { plots } from '../../bench/study/plots.ts';
import { passOrFail, rareInstructions } from '../../bench/study/rare.ts';
import { withResults } from '../../bench/study/readme.ts';
import {
  differenceInValue,
  differenceOf,
  gainOf,
  meanOf,
  startOf,
  type Figure,
  type StudyResults,
  type Unseen,
} from '../../bench/study/results.ts';
import { estimate, studentQuantile, type Estimate } from '../../bench/study/statistics.ts';
import { TASKS } from '../../bench/study/tasks.ts';
import { bonusVerdict, taskVerdict, verdict } from '../../bench/study/verdict.ts';
import { loadConfig } from '../../config/load.ts';
import { objectiveSchema } from '../../engine/protocol/settings.ts';
import { promptOf } from '../../examples/quickstart/task.ts';
import { testContext } from '../activities/context.ts';
import { sampledRow, storeResponses } from '../activities/people/responses.ts';

interface Interval {
  low: number;
  high: number;
}
interface Expected {
  method: string;
  round: number;
  figure: Figure;
  mean: number;
  interval: Interval;
  corrected: Interval;
}
interface Fixture {
  quantiles: { p: number; freedom: number; t: number }[];
  study: StudyResults;
  means: Expected[];
  differences: Expected[];
  coverage: { mean: number; corrected: Interval };
}
const at = (path: string) => new URL(path, import.meta.url);
const { quantiles, study, means, differences, coverage } = JSON.parse(
  readFileSync(at('../fixtures/study/expected.json'), 'utf8'),
) as Fixture;
interface ByPrompt {
  study: StudyResults;
  start: Estimate;
  /** Of selm-0.1 after each round. */
  means: Estimate[];
  gains: Estimate[];
  /** To dpo after the last round, corrected. */
  difference: Estimate;
}
const byPrompt = JSON.parse(readFileSync(at('../fixtures/study/by-prompt.json'), 'utf8')) as ByPrompt;
const context = testContext();

const percent = (share: number) => (100 * share).toFixed(1);
const expectInterval = (found: Interval | undefined, expected: Interval) => {
  expect(found!.low).toBeCloseTo(expected.low, 9);
  expect(found!.high).toBeCloseTo(expected.high, 9);
};

test.each(quantiles)("the $p-quantile of Student's t with $freedom degrees of freedom", ({ p, freedom, t }) => {
  expect(Math.abs(studentQuantile(p, freedom) / t - 1)).toBeLessThan(1e-9);
});

describe('over seeds', () => {
  test.each(means)('the mean $figure of $method after round $round, with its interval', (expected) => {
    const found = meanOf(study, expected.method, expected.round, expected.figure)!;
    expect(found.mean).toBeCloseTo(expected.mean, 12);
    expectInterval(found.interval, expected.interval);
  });

  test.each(differences)('the difference in $figure to dpo after round $round, by seeds that both have', (expected) => {
    const { method, round, figure } = expected;
    const found = differenceOf(study, method, round, figure)!;
    expect(found.mean).toBeCloseTo(expected.mean, 12);
    expectInterval(found.interval, expected.interval);
    const valueOf = (run: StudyResults['runs'][number]) => run.rounds.find((one) => one.round === round)?.[figure];
    expectInterval(differenceInValue(study, method, valueOf, BASELINE, 6)!.interval, expected.corrected);
  });

  test('one value alone has no interval', () => {
    expect(estimate([0.25])).toEqual({ mean: 0.25 });
  });
});

describe('over prompts', () => {
  const { study: real, start, means, gains: gained, difference } = byPrompt;
  const [strictPass] = measuresOf(real);

  const rates = means.map((mean, i) => ({
    name: `after round ${i + 1}`,
    found: meanOf(real, 'selm-0.1', i + 1, 'strictPassRate'),
    expected: mean,
  }));
  const gains = gained.map((gain, i) => ({
    name: `less the start's, after round ${i + 1}`,
    found: gainOf(real, 'selm-0.1', i + 1),
    expected: gain,
  }));
  test.each([
    { name: "the start policy's", found: startOf(real), expected: start },
    ...rates,
    ...gains,
    {
      name: "less dpo's after the last round, corrected",
      found: correctedDifference(real, 'selm-0.1', strictPass),
      expected: difference,
    },
  ])('strict pass rate: $name', ({ found, expected }) => {
    expect(found!.mean).toBeCloseTo(expected.mean, 12);
    // With 10,000 resamples an end has a Monte Carlo error of about a hundredth of the width.
    const { low, high } = expected.interval!;
    expect(Math.abs(found!.interval!.low - low)).toBeLessThan((high - low) / 25);
    expect(Math.abs(found!.interval!.high - high)).toBeLessThan((high - low) / 25);
  });

  test('the page and README show the rates by round and the gains over the start', () => {
    const page = pageOf([real]);
    expect(page).toContain('](study-smollm2-rounds.svg)');
    expect(page).toContain(`selm-0.1 **+${percent(gained[1].mean)} [`);
    expect(plots(real).map(({ file }) => file)).toContain('study-smollm2-rounds.svg');
    const readme = 'a <!-- real model --> old <!-- end of real model --> b';
    expect(withResults(readme, [study])).toBe(
      'a <!-- real model --> <!-- end of real model --> b'.replace('> <', '>\n\n\n\n<'),
    );
    expect(withResults(readme, [study, real])).toContain('](docs/study-smollm2-rounds.svg)');
  });
});

const measured = (ifbench: string, solved: number, truthful: number): Unseen => ({
  ifbench,
  lmEval: [
    { task: 'gsm8k', metric: 'exact_match,strict-match', value: solved, error: 0.03, count: 200 },
    { task: 'gsm8k', metric: 'exact_match,flexible-extract', value: 1, error: 1, count: 200 },
    { task: 'truthfulqa_mc2', metric: 'acc', value: truthful, error: 0.01, count: 200 },
  ],
});

test('the page shows what training does not aim at, and how it has changed', () => {
  const start = measured('0'.repeat(80) + '1'.repeat(20), 0.02, 0.4);
  const lasts = [
    measured('0'.repeat(30) + '1'.repeat(70), 0.04, 0.38),
    measured('0'.repeat(30) + '1'.repeat(70), 0.02, 0.4),
  ];
  const { study: real } = byPrompt;
  const [unmeasured, ...others] = real.runs.filter(({ method }) => method === 'selm-0.1');
  expect(pageOf([real])).not.toContain('IFBench');
  const runs = [unmeasured, others[0]].map((run, i) => ({ ...run, unseen: { start, last: lasts[i] } }));
  const page = pageOf([{ ...real, runs: [...runs, ...real.runs.filter(({ method }) => method !== 'selm-0.1')] }]);
  const section = page.slice(page.indexOf('### IFBench'));
  const rows = [...section.matchAll(/^\| (?:start|selm-0\.1) \| (.*) \|$/gm)].map(([, cells]) => cells.trim());
  // Errors of differences: sqrt(3² + 3²) and sqrt(1² + 1²).
  expect(rows).toEqual([
    expect.stringMatching(/^\| 20\.0 \[\S+, \S+\] \|$/),
    expect.stringMatching(/^2 \| 70\.0 \[.+\] \| \*\*\+50\.0 \[.+\]\*\*$/),
    '| 2.0 ± 3.0 |  | 40.0 ± 1.0 |',
    '2 | 3.0 ± 3.0 | +1.0 ± 4.2 | 39.0 ± 1.0 | -1.0 ± 1.4',
  ]);
  expect(page).toContain('By IFBench, significantly better than the start policy: selm-0.1.');
});

test('every method is an objective with its own settings', () => {
  for (const { objective } of METHODS) expect(objectiveSchema.parse(objective)).toMatchObject(objective);
});

describe('the task rare', () => {
  test('asks for nothing that three things with commas would be', () => {
    const { training, heldOut } = rareInstructions();
    for (const { text, request } of [...training, ...heldOut]) {
      expect(text).not.toMatch(/three|commas/);
      expect(promptOf({ text, request }).instruction_id_list).toContain('list:count');
    }
    expect(training.length).toBeGreaterThanOrEqual(3 * TASKS.find(({ name }) => name === 'rare')!.promptsPerRound);
  });

  test('prefers only a response that follows everything over one that does not', async () => {
    const [instruction] = rareInstructions().training.filter(({ request }) => request.include === undefined);
    const { instruction_id_list, kwargs } = promptOf(instruction);
    const members = (kwargs as { members?: string[] }[])[0].members!;
    const { count, separator } = Object.assign({}, ...(kwargs as object[])) as { count: number; separator: string };
    const right = members.slice(0, count).join(separator);
    const wanted = JSON.stringify(kwargs).includes('"upper"') ? right.toUpperCase() : right;
    const rows = [
      ['Red, Blue, Green', wanted, members.slice(0, 3).join(', ')],
      // One follows more than the other, and neither follows everything.
      ['Red, Blue, Green', members.slice(0, count).join(', '), 'no'],
    ].map((texts, i) => sampledRow(`p${i}`, texts, { instruction_id_list, kwargs }));
    const responses = await storeResponses(context.store, rows);
    const { address } = await label(context, { responses, label: { by: 'verifier' }, threads: 1 }, {});
    const scored = await passOrFail(context, { labels: address }, {});
    const labels = await readLabels(context.store, scored.address);
    expect(labels.map(({ candidates }) => candidates.map(({ score }) => score))).toEqual([
      [0, 1, 0],
      [0, 0, 0],
    ]);
    const { summary } = await prefer(context, { labels: [scored.address], truncated: 'keep' }, {});
    expect(summary).toMatchObject({ rows: 2, preferences: 1, dropped: { tie: 1 } });
  });
});

/** In the order of the rounds. */
const strictPassOf = (rows: Expected[], method: string) =>
  rows.filter((row) => row.method === method && row.figure === 'strictPassRate');

describe('the page', () => {
  const page = pageOf([study]);

  test('shows these figures, and what is not done', () => {
    expect(page).toContain('8 of 15 runs');
    const cells = strictPassOf(means, 'dpo').map(
      ({ mean, interval: { low, high } }) => `${percent(mean)} [${percent(low)}, ${percent(high)}]`,
    );
    expect(page).toContain(`| dpo | ${cells.join(' | ')} |`);
    expect(page).toContain('| vpo |  |  |');
    expect(page).toContain('- selm-0.1, seed 2, ended early: round 2: Training diverged.');
    expect(page).toContain('No results yet: `npm run study -- --task rare`.');
  });

  test('corrects the intervals of differences for all comparisons of the task', () => {
    const measure = measuresOf(study).find(({ title }) => title === 'coverage, %')!;
    expect(comparisonsOf(study)).toBe(12);
    const found = correctedDifference(study, 'selm-0.1', measure)!;
    expect(found.mean).toBeCloseTo(coverage.mean, 12);
    expectInterval(found.interval, coverage.corrected);
    const { low, high } = coverage.corrected;
    expect(low).toBeGreaterThan(0);
    expect(page).toContain(`**+${percent(coverage.mean)} [+${percent(low)}, +${percent(high)}]**`);
  });

  test('concludes from the intervals', () => {
    expect(taskVerdict(study)[1]).toMatch(
      /^\*\*coverage\*\*: significantly above dpo: selm-0\.1 \(half-widths of the intervals/,
    );
    expect(taskVerdict(study)[0]).toMatch(/^\*\*strict pass\*\*: no method differs significantly from dpo/);
    expect(bonusVerdict(study)).toContain('these differ significantly from dpo: selm-0.1 (higher coverage)');
    expect(verdict([study])).toMatch(/^Take selm-0\.1: /);
    const without = { ...study, runs: study.runs.map((run) => ({ ...run, fresh: undefined })) };
    expect(bonusVerdict(without)).toContain(
      'of selm-0.1, none differs significantly from dpo in strict pass and tokens (the runs are too few',
    );
    expect(verdict([without])).toMatch(/^After the last round, no objective is significantly better than `dpo`/);
    expect(verdict([])).toBe('There are no results to compare yet.');
  });

  test("and its plots and README's sentence are drawn from docs/study-*.json (else: npm run study -- --draw)", async () => {
    const files = TASKS.map(({ name }) => at(`../../docs/study-${name}.json`)).filter((file) => existsSync(file));
    const all = files.map((file) => JSON.parse(readFileSync(file, 'utf8')) as StudyResults);
    for (const { passes, strictPassRate } of all.flatMap(({ runs }) =>
      runs.flatMap(({ start, rounds }) => [start, ...rounds]),
    )) {
      const rate = passes && [...passes].filter((pass) => pass === '1').length / passes.length;
      if (rate !== undefined) expect(rate).toBeCloseTo(strictPassRate, 12);
    }
    const file = at('../../docs/study.md').pathname;
    const formatted = async (text: string) => format(text, { ...(await resolveConfig(file)), filepath: file });
    const drawn = await formatted(pageOf(all));
    expect(readFileSync(file, 'utf8')).toBe(drawn);
    // README shows a run of the study as that of the example.
    const { settings } = all.find(({ task }) => task === 'smollm2')!;
    expect(loadConfig(at('../../examples/smollm2-ifeval.yaml').pathname)).toMatchObject({
      seed: 0,
      rounds: settings.rounds,
      prompts: { perRound: settings.promptsPerRound },
      optimize: { objective: { name: 'selm', alpha: 0.001 } },
    });
    const readme = readFileSync(at('../../README.md'), 'utf8');
    expect(await formatted(withResults(readme, all))).toBe(readme);
    for (const { file: name, svg } of all.flatMap(plots)) {
      expect(drawn).toContain(`](${name})`);
      expect(readFileSync(at(`../../docs/${name}`), 'utf8')).toBe(svg);
    }
  });
});
