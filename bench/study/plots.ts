/** The study's plots, as SVG files for a Markdown page with a light or a dark background. */
import { lineChart, type Line } from '../../report/charts.ts';
import { BASELINE, METHODS } from './methods.ts';
import { differenceOf, meanOf, type StudyResults } from './results.ts';
import type { Estimate } from './statistics.ts';

export const PLOTS = { strict: 'study-strict.svg', difference: 'study-difference.svg' };

/** Horizontal distance between the methods' points of a round, in rounds, so that their intervals do not overlap. */
const APART = 0.08;

/** Draws the plots of the study. */
export function plots(results: StudyResults): { file: string; svg: string }[] {
  const names = METHODS.map(({ name }) => name);
  const start = results.runs[0]?.start.strictPassRate;
  const strict = names.map((name, i) =>
    line(name, i - (names.length - 1) / 2, results, (round) => meanOf(results, name, round, 'strictPassRate')),
  );
  if (start !== undefined) for (const { points } of strict) if (points.length > 0) points.unshift([0, 100 * start]);
  const others = names.filter((name) => name !== BASELINE);
  const differences = others.map((name, i) =>
    line(name, i - (others.length - 1) / 2, results, (round) => differenceOf(results, name, round, 'strictPassRate')),
  );
  // With this line the baseline has the same color in both plots.
  const zero: Line = {
    name: BASELINE,
    points: [
      [0, 0],
      [results.settings.rounds, 0],
    ],
  };
  const x = { name: 'round', min: 0, max: results.settings.rounds + 1 };
  return [
    {
      file: PLOTS.strict,
      svg: standalone(
        lineChart(
          'Strict pass rate by round, mean over seeds with 95 % intervals',
          x,
          { name: 'strict pass, %', min: 0, max: 100 },
          strict,
        ).text,
      ),
    },
    {
      file: PLOTS.difference,
      svg: standalone(
        lineChart(
          `Strict pass rate less that of ${BASELINE} by round, mean over seeds with 95 % intervals`,
          x,
          { name: 'points' },
          [zero, ...differences],
        ).text,
      ),
    },
  ];
}

function line(
  name: string,
  place: number,
  { settings }: StudyResults,
  of: (round: number) => Estimate | undefined,
): Line {
  const at = Array.from({ length: settings.rounds }, (_, i) => i + 1).flatMap((round) => {
    const estimated = of(round);
    return estimated ? [{ x: round + place * APART, ...estimated }] : [];
  });
  return {
    name,
    points: at.map(({ x, mean }) => [x, 100 * mean]),
    intervals: at.flatMap(({ x, interval }) =>
      interval ? [{ x, low: 100 * interval.low, high: 100 * interval.high }] : [],
    ),
  };
}

/** Replaces CSS colors, which the report pages define, and class names, which are numbered over all charts of a process. */
const standalone = (svg: string) =>
  svg
    .replaceAll('currentColor', '#808080')
    .replaceAll('var(--line)', '#80808066')
    .replaceAll(/\bzr\d+-/g, 'zr-');
