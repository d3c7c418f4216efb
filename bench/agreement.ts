/** Compares the values that two sides computed. */
import type { Printed } from './measurement.ts';

type Values = NonNullable<Printed['values']>;

/** The agreement of two sides on the same work. */
export interface Agreement {
  /** For responses: the number of identical ones, token for token, and the total number. */
  same?: number;
  of?: number;
  /** For numbers: the largest difference. */
  largestDifference?: number;
}

/** The share of equal tokens, position by position, of two sides' responses of the same lengths. */
export function equalTokens(a: number[][], b: number[][]): number {
  const same = a.flatMap((response, i) => response.map((token, k): number => (token === b[i][k] ? 1 : 0)));
  return same.reduce((sum, one) => sum + one, 0) / same.length;
}

/** Compares token ids (lists of lists) by equality, and numbers by their largest difference. */
export function agreement(a: Values, b: Values): Agreement {
  if (!Array.isArray(a[0])) {
    const others = b as number[];
    return { largestDifference: Math.max(...(a as number[]).map((value, i) => Math.abs(value - others[i]))) };
  }
  const [ours, theirs] = [a as number[][], b as number[][]];
  return { same: ours.filter((answer, i) => answer.join() === theirs[i].join()).length, of: ours.length };
}
