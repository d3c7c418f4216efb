/** Parts of a page of results: tables of estimates. */
import { markdownTable } from '../markdown.ts';
import type { Estimate } from './statistics.ts';

/** A share as percent. */
export const percent = (share: number) => (100 * share).toFixed(1);
/** A number with this many digits after the point. */
export const fixed = (digits: number) => (value: number) => value.toFixed(digits);

/** A table with a row for each method and a column for each round. */
export const roundTable = (rounds: number[], show: (name: string, round: number) => string, names: readonly string[]) =>
  markdownTable(
    ['', ...rounds.map((round) => `round ${round}`)],
    names.map((name) => [name, ...rounds.map((round) => show(name, round))]),
  );

/** An estimate with its interval. */
export function cell(estimated: Estimate | undefined, show: (value: number) => string): string {
  if (!estimated) return '';
  const { mean, interval } = estimated;
  return interval ? `${show(mean)} [${show(interval.low)}, ${show(interval.high)}]` : show(mean);
}

/** A difference with its sign. */
export const signed = (value: number, show: (value: number) => string): string =>
  `${value > 0 ? '+' : ''}${show(value)}`;

/** A difference with its interval, bold if the interval excludes 0. */
export function difference(estimated: Estimate | undefined, show: (value: number) => string): string {
  const text = cell(estimated, (value) => signed(value, show));
  return estimated && isClear(estimated) ? `**${text}**` : text;
}

/** Whether the interval excludes 0. */
export const isClear = ({ interval }: Estimate) => interval !== undefined && (interval.low > 0 || interval.high < 0);
