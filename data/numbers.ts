/** Sums and means, and shares as text. Imports nothing: workflows use it, too. */

/** The sum; 0 for an empty list. */
export const sum = (values: number[]): number => values.reduce((total, value) => total + value, 0);

/** The mean; NaN for an empty list. */
export const mean = (values: number[]): number => sum(values) / values.length;

/** The logistic function. */
export const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** A share from 0 to 1 in percent: `53.1 %`. */
export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** An interval of shares in percent: `[53.1, 56.9]`. */
export const percentInterval = ({ low, high }: { low: number; high: number }): string =>
  `[${(100 * low).toFixed(1)}, ${(100 * high).toFixed(1)}]`;
