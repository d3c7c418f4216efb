/** Runs many small tasks with limited concurrency. */
import pLimit from 'p-limit';

/** Concurrent tasks. Each may open a file, and the limit of open files per process is much higher. */
const CONCURRENCY = 16;

/** Applies `work` to all items, at most 16 at a time. Results are in the order of the items. */
export const inTurns = <T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> =>
  pLimit(CONCURRENCY).map(items, work);
