/**
 * What running steps use in the caches of this machine. The modification time of a folder or file is the time of its last use: a cache
 * evicts what was used longest ago, and nothing that was used a short time ago, by whatever process.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { utimes } from 'node:fs/promises';

/** How often what is used is marked again: well below the times in artifacts/eviction.ts and data/hub/cache.ts. */
const EVERY_MILLISECONDS = 60_000;

const scope = new AsyncLocalStorage<Set<string>>();

async function touch(path: string): Promise<void> {
  const now = new Date();
  await utimes(path, now, now);
}

/** Marks a path as used now and, in `whileUsed`, until the work there has ended. @throws Error when it does not exist */
export async function markUsed(path: string): Promise<void> {
  await touch(path);
  scope.getStore()?.add(path);
}

/** Runs a step. What it marks as used stays marked until it has ended, which may take days. */
export async function whileUsed<T>(work: () => Promise<T>, everyMilliseconds = EVERY_MILLISECONDS): Promise<T> {
  const paths = new Set<string>();
  let marking: Promise<unknown> = Promise.resolve();
  // The step itself reports a path that has vanished.
  const markAll = () => Promise.all([...paths].map((path) => touch(path).catch(() => {})));
  const timer = setInterval(() => void (marking = marking.then(markAll)), everyMilliseconds);
  try {
    return await scope.run(paths, work);
  } finally {
    clearInterval(timer);
    // A marking under way would otherwise mark after the end.
    await marking;
  }
}
