/** The pairs of a prompt's responses about which people can be asked. */
import type { AnsweredRecord } from '../../data/records.ts';
import { candidatesOf } from '../labels.ts';
import type { Truncated } from '../truncated.ts';

/**
 * The indices of the row's candidates that people can compare: of equal texts the first, and no empty text.
 * @param truncated with `drop`, responses that were cut at the length limit are no candidates
 */
export function comparableCandidates(row: AnsweredRecord, truncated: Truncated): number[] {
  const { texts, indices } = candidatesOf(row, truncated);
  return indices.filter((_, i) => texts[i].trim() !== '' && texts.indexOf(texts[i]) === i);
}

/** All pairs of positions in a list of `count`. */
export const allPairs = (count: number): [number, number][] =>
  Array.from({ length: count }, (_, i) =>
    Array.from({ length: count - i - 1 }, (__, j): [number, number] => [i, i + 1 + j]),
  ).flat();
