/** Many small tasks, a few of them at the same time. */

/** Files that are open, or requests under way, at the same time: far below what a process may have open. */
const AT_ONCE = 16;

/** Applies `work` to all items, at most 16 at the same time. Results are in the order of the items. */
export async function inTurns<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = Array(items.length);
  let next = 0;
  const lane = async () => {
    while (next < items.length) {
      const index = next++;
      results[index] = await work(items[index]);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  return results;
}
