/** The study's figures against SciPy's (see test/fixtures/study), and its page against its results. */
import { readFileSync } from 'node:fs';
import { format, resolveConfig } from 'prettier';
import { describe, expect, test } from 'vitest';
import { describe as pageOf } from '../../bench/study/page.ts';
import { plots } from '../../bench/study/plots.ts';
import { differenceOf, meanOf, type Figure, type StudyResults } from '../../bench/study/results.ts';
import { estimate, studentQuantile } from '../../bench/study/statistics.ts';

interface Expected {
  method: string;
  round: number;
  figure: Figure;
  mean: number;
  interval: { low: number; high: number };
}
interface Fixture {
  quantiles: { p: number; freedom: number; t: number }[];
  study: StudyResults;
  means: Expected[];
  differences: Expected[];
}
const at = (path: string) => new URL(path, import.meta.url);
const { quantiles, study, means, differences } = JSON.parse(
  readFileSync(at('../fixtures/study/expected.json'), 'utf8'),
) as Fixture;

test.each(quantiles)("the $p-quantile of Student's t with $freedom degrees of freedom", ({ p, freedom, t }) => {
  expect(Math.abs(studentQuantile(p, freedom) / t - 1)).toBeLessThan(1e-9);
});

describe('over seeds', () => {
  test.each(means)('the mean $figure of $method after round $round, with its interval', (expected) => {
    const found = meanOf(study, expected.method, expected.round, expected.figure)!;
    expect(found.mean).toBeCloseTo(expected.mean, 12);
    expect(found.interval!.low).toBeCloseTo(expected.interval.low, 9);
    expect(found.interval!.high).toBeCloseTo(expected.interval.high, 9);
  });

  test.each(differences)('the difference in $figure to dpo after round $round, by seeds that both have', (expected) => {
    const found = differenceOf(study, expected.method, expected.round, expected.figure)!;
    expect(found.mean).toBeCloseTo(expected.mean, 12);
    expect(found.interval!.low).toBeCloseTo(expected.interval.low, 9);
    expect(found.interval!.high).toBeCloseTo(expected.interval.high, 9);
  });

  test('one value alone has no interval', () => {
    expect(estimate([0.25])).toEqual({ mean: 0.25 });
  });
});

const percent = (share: number) => (100 * share).toFixed(1);
/** In the order of the rounds. */
const strictPassOf = (rows: Expected[], method: string) =>
  rows.filter((row) => row.method === method && row.figure === 'strictPassRate');

describe('the page', () => {
  test('shows these figures, and what is not done', () => {
    const page = pageOf(study);
    expect(page).toContain('8 of 25 runs');
    const cells = strictPassOf(means, 'dpo').map(
      ({ mean, interval: { low, high } }) => `${percent(mean)} [${percent(low)}, ${percent(high)}]`,
    );
    expect(page).toContain(`| dpo | ${cells.join(' | ')} |`);
    expect(page).toContain('| vpo 0.1 |  |  |');
    expect(page).toContain('- selm 0.1, seed 2, ended early: round 2: Training diverged.');
    for (const { mean, interval } of strictPassOf(differences, 'selm 0.1')) {
      const clear = interval.low > 0 || interval.high < 0;
      const text = `${mean > 0 ? '+' : ''}${percent(mean)} [`;
      expect(page).toContain(clear ? `**${text}` : `| ${text}`);
    }
  });

  test('and its plots are drawn from docs/study.json (else: npm run study -- --draw)', async () => {
    const results = JSON.parse(readFileSync(at('../../docs/study.json'), 'utf8')) as StudyResults;
    const file = at('../../docs/study.md').pathname;
    const drawn = await format(pageOf(results), { ...(await resolveConfig(file)), filepath: file });
    expect(readFileSync(file, 'utf8')).toBe(drawn);
    for (const { file: name, svg } of plots(results)) {
      expect(drawn).toContain(`](${name})`);
      expect(readFileSync(at(`../../docs/${name}`), 'utf8')).toBe(svg);
    }
  });
});
