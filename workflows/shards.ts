/** Work in shards: as many activities at once as a window allows, results in order. */

/** Activities of one step under way at the same time: more than there are workers, few enough for a history. */
const WINDOW = 32;

export interface Shard {
  from: number;
  to: number;
}

export function shardsOf(count: number, size: number): Shard[] {
  return Array.from({ length: Math.ceil(count / size) }, (_, i) => ({
    from: i * size,
    to: Math.min(count, (i + 1) * size),
  }));
}

/** Applies `work` to all items, at most a window of them at a time. */
export async function mapWindow<T, R>(items: T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = Array(items.length);
  let next = 0;
  const lane = async () => {
    while (next < items.length) {
      const i = next++;
      results[i] = await work(items[i]);
    }
  };
  await Promise.all(Array.from({ length: Math.min(WINDOW, items.length) }, lane));
  return results;
}
