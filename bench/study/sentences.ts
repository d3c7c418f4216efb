/** Parts of a page of results: sentences about them. */
import { differenceOf, meanOf, type Runs } from './results.ts';
import { isClear, percent } from './tables.ts';

/** A method's best round, and its comparison with the baseline. */
export function reading(results: Runs, name: string, rounds: number[], baseline: string): string[] {
  const means = rounds.flatMap((round) => {
    const estimated = meanOf(results, name, round, 'strictPassRate');
    return estimated ? [{ round, mean: estimated.mean }] : [];
  });
  if (means.length === 0) return [];
  const best = means.reduce((a, b) => (b.mean > a.mean ? b : a));
  const verdict = name === baseline ? '' : `; ${comparison(results, name, rounds, baseline)}`;
  return [`- **${name}** is best after round ${best.round} (${percent(best.mean)} %)${verdict}.`];
}

function comparison(results: Runs, name: string, rounds: number[], baseline: string): string {
  const estimates = rounds.flatMap((round) => {
    const estimated = differenceOf(results, name, round, 'strictPassRate', baseline);
    return estimated?.interval ? [{ round, estimated }] : [];
  });
  if (estimates.length === 0) return 'too few runs to compare';
  const clear = estimates.filter(({ estimated }) => isClear(estimated));
  if (clear.length === 0) return `no round differs significantly from ${baseline}`;
  const side = (word: string, sign: number) => {
    const of = clear.filter(({ estimated }) => Math.sign(estimated.mean) === sign).map(({ round }) => round);
    return of.length > 0 ? [`${word} ${baseline} after round ${of.join(', ')}`] : [];
  };
  const rest = clear.length < rounds.length ? ', without a significant difference after the others' : '';
  return `it is significantly ${[...side('above', 1), ...side('below', -1)].join(' and ')}${rest}`;
}

/** The smallest difference that the study can detect. */
export function resolution(results: Runs, round: number, others: readonly string[], baseline: string): string {
  const halves = others.flatMap((name) => {
    const interval = differenceOf(results, name, round, 'strictPassRate', baseline)?.interval;
    return interval ? [(interval.high - interval.low) / 2] : [];
  });
  if (halves.length === 0) return '';
  return `After round ${round} the intervals of the differences reach ${percent(Math.min(...halves))} to ${percent(Math.max(...halves))} points to either side: with this number of seeds, smaller differences cannot be detected.`;
}

/** The runs that ended early. */
export const failures = ({ runs }: Runs): string[] =>
  runs.flatMap(({ method, seed, failed }) =>
    failed === undefined ? [] : [`- ${method}, seed ${seed}, ended early: ${failed}`],
  );
