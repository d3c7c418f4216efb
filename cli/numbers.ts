/** Number formats of the command line. */
import type { Interval } from '../evaluation/statistics.ts';

/** A share from 0 to 1 in percent: `53.1 %`. */
export const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

/** An interval in percent: `[53.1, 56.9]`. */
export const percentInterval = ({ low, high }: Interval) => `[${(100 * low).toFixed(1)}, ${(100 * high).toFixed(1)}]`;
