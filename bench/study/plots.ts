/** The study's plots, as SVG files for a Markdown page with a light or a dark background. */
import { lineChart, type Line } from '../../report/charts.ts';
import { dotPlot } from './dots.ts';
import { correctedDifference, measuresOf, othersOf } from './measures.ts';
import { BASELINE } from './methods.ts';
import { differenceOf, isByPrompt, meanOf, startOf, type Runs, type StudyResults } from './results.ts';
import type { Estimate } from './statistics.ts';

/** The measures that are drawn, by the ends of the files' names. */
const DRAWN = { strict: 'strict pass, %', coverage: 'coverage, %' };

/** The name of a plot's file: of a measure's differences, or of strict pass rates by round. */
export const plotOf = (task: string, drawn: keyof typeof DRAWN | 'rounds') => `study-${task}-${drawn}.svg`;

/** Horizontal distance between the methods' points of a round, in rounds, so that their intervals do not overlap. */
const APART = 0.08;

/**
 * Draws the plots of a task: differences to the baseline after the last round, with corrected intervals. If its intervals are over prompts,
 * also strict pass rates by round.
 */
export const plots = (results: StudyResults): Plot[] => [
  ...(Object.keys(DRAWN) as (keyof typeof DRAWN)[]).map((drawn) => {
    const measure = measuresOf(results).find(({ title }) => title === DRAWN[drawn])!;
    const what = `${drawn === 'strict' ? 'strict pass rate' : 'coverage'} less that of ${BASELINE}, points`;
    const rows = othersOf(results).map((name) => ({ name, estimate: correctedDifference(results, name, measure) }));
    return {
      file: plotOf(results.task, drawn),
      svg: dotPlot(`${results.task}: ${what}, with intervals`, what, 100, rows),
    };
  }),
  ...(isByPrompt(results) ? [roundsPlot(results)] : []),
];

/** Draws strict pass rates by round beside the start policy's. */
function roundsPlot(results: StudyResults): Plot {
  const { rounds } = results.settings;
  const { mean, interval } = startOf(results)!;
  const start: Line = {
    name: 'start',
    points: Array.from({ length: rounds + 1 }, (_, round) => [round, 100 * mean]),
    intervals: interval ? [{ x: 0, low: 100 * interval.low, high: 100 * interval.high }] : [],
  };
  return {
    file: plotOf(results.task, 'rounds'),
    svg: chart(
      'Strict pass rate by round with 95 % intervals over prompts',
      { name: 'round', min: 0, max: rounds + 1, whole: true },
      { name: 'strict pass, %', min: 0 },
      [...strictPassLines(results, results.methods), start],
    ),
  };
}

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
  const [strict, difference] = [
    'Strict pass rate by round, mean over seeds with 95 % intervals',
    `Strict pass rate less that of ${baseline} by round, mean over seeds with 95 % intervals`,
  ];
  const y = { name: 'strict pass, %', min: 0, max: 100 };
  return [
    { file: files.strict, svg: chart(strict, x, y, strictPassLines(results, names)) },
    { file: files.difference, svg: chart(difference, x, { name: 'points' }, [zero, ...differences]) },
  ];
}

const chart = (...drawn: Parameters<typeof lineChart>) => standalone(lineChart(...drawn).text);

/** Strict pass rates by round, from the start policy's on. */
function strictPassLines(results: Runs & { settings: { rounds: number } }, names: readonly string[]): Line[] {
  const start = startOf(results);
  return names.map((name, i) => {
    const line = lineOf(name, i - (names.length - 1) / 2, results.settings.rounds, (round) =>
      meanOf(results, name, round, 'strictPassRate'),
    );
    return start && line.points.length > 0 ? { ...line, points: [[0, 100 * start.mean], ...line.points] } : line;
  });
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

/** Replaces CSS colors, which the report pages define, and removes names that are numbered over all charts of a process. */
const standalone = (svg: string) =>
  svg
    .replaceAll('currentColor', '#808080')
    .replaceAll('var(--line)', '#80808066')
    .replaceAll(/ class="zr[^"]*"/g, '')
    .replaceAll(/\bzr\d+-/g, 'zr-');
