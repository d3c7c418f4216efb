/** Many small tasks, a few of them at the same time. */
import pLimit from 'p-limit';

/** Open files or requests at the same time: far below the number of files that a process may open. */
const CONCURRENCY = 16;

/** Applies `work` to all items, at most 16 at a time. Results are in the order of the items. */
export const inTurns = <T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> =>
  pLimit(CONCURRENCY).map(items, work);
