/** The study's plots, as SVG files for a Markdown page with a light or a dark background. */
import { lineChart, type Line } from '../../report/charts.ts';
import { dotPlot } from './dots.ts';
import { correctedDifference, measuresOf, othersOf } from './measures.ts';
import { BASELINE } from './methods.ts';
import { differenceOf, meanOf, type Runs, type StudyResults } from './results.ts';
import type { Estimate } from './statistics.ts';

/** The measures that are drawn, by the ends of the files' names. */
const DRAWN = { strict: 'strict pass, %', coverage: 'coverage, %' };

/** The name of a plot's file. */
export const plotOf = (task: string, drawn: keyof typeof DRAWN) => `study-${task}-${drawn}.svg`;

/** Horizontal distance between the methods' points of a round, in rounds, so that their intervals do not overlap. */
const APART = 0.08;

/** Draws the plots of a task: differences to the baseline after the last round, with corrected intervals. */
export const plots = (results: StudyResults): Plot[] =>
  (Object.keys(DRAWN) as (keyof typeof DRAWN)[]).map((drawn) => {
    const measure = measuresOf(results).find(({ title }) => title === DRAWN[drawn])!;
    const what = `${drawn === 'strict' ? 'strict pass rate' : 'coverage'} less that of ${BASELINE}, points`;
    const rows = othersOf(results).map((name) => ({ name, estimate: correctedDifference(results, name, measure) }));
    return {
      file: plotOf(results.task, drawn),
      svg: dotPlot(`${results.task}: ${what}, with intervals`, what, 100, rows),
    };
  });

/** A plot as an SVG file. */
export interface Plot {
  file: string;
  svg: string;
}

/**
 * Draws strict pass rates by round, and their differences from those of `baseline`.
 * @param names of the lines, in their order
 * @param files names of the files
 */
export function strictPassPlots(
  results: Runs & { settings: { rounds: number } },
  names: readonly string[],
  baseline: string,
  files: Record<'strict' | 'difference', string>,
): Plot[] {
  const { rounds } = results.settings;
  const start = results.runs[0]?.start.strictPassRate;
  const strict = names.map((name, i) =>
    lineOf(name, i - (names.length - 1) / 2, rounds, (round) => meanOf(results, name, round, 'strictPassRate')),
  );
  if (start !== undefined) for (const { points } of strict) if (points.length > 0) points.unshift([0, 100 * start]);
  const others = names.filter((name) => name !== baseline);
  const differences = others.map((name, i) =>
    lineOf(name, i - (others.length - 1) / 2, rounds, (round) =>
      differenceOf(results, name, round, 'strictPassRate', baseline),
    ),
  );
  // With this line the baseline has the same color in both plots.
  const zero: Line = {
    name: baseline,
    points: [
      [0, 0],
      [rounds, 0],
    ],
  };
  const x = { name: 'round', min: 0, max: rounds + 1 };
  return [
    {
      file: files.strict,
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
      file: files.difference,
      svg: standalone(
        lineChart(
          `Strict pass rate less that of ${baseline} by round, mean over seeds with 95 % intervals`,
          x,
          { name: 'points' },
          [zero, ...differences],
        ).text,
      ),
    },
  ];
}

/** A line with the intervals of its points. @param place among the lines, 0 in the middle: neighbors are drawn side by side */
function lineOf(name: string, place: number, rounds: number, of: (round: number) => Estimate | undefined): Line {
  const at = Array.from({ length: rounds }, (_, i) => i + 1).flatMap((round) => {
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
