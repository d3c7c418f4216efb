/** The embedded server for those who work on it: started again when it dies. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { devServerRuns, joinDevServer, leaveDevServer } from './dev-server.ts';
import { FileLock } from './file-lock.ts';
import { homeFolder } from './places.ts';

const WATCH_MILLISECONDS = 1000;

/** Shared by all processes whose workers answer for runs of this folder. */
const workersLock = () => join(homeFolder(), 'server.workers');

/** Whether workers of this folder's server run. */
export function hasWorkers(): boolean {
  mkdirSync(homeFolder(), { recursive: true });
  return FileLock.isHeld(workersLock());
}

/**
 * Makes the embedded server the environment's, and starts it again when it dies.
 * @param options.answers whether a control worker of this process answers for runs
 * @param options.stopping whether it may end by now
 * @returns leaves it
 */
export async function keepServer(
  say: (message: string) => void,
  { answers = true, stopping = () => false }: { answers?: boolean; stopping?: () => boolean } = {},
): Promise<() => Promise<void>> {
  process.env['TEMPORAL_ADDRESS'] = await joinDevServer(say);
  const lock = answers ? await FileLock.shared(workersLock()) : undefined;
  let starting = false;
  const watch = setInterval(() => {
    if (starting || stopping() || devServerRuns()) return;
    starting = true;
    say("Temporal's dev server ended; starting it again.");
    joinDevServer(say)
      .catch((error: Error) => say(error.message))
      .finally(() => (starting = false));
  }, WATCH_MILLISECONDS);
  return async () => {
    clearInterval(watch);
    lock?.release();
    await leaveDevServer();
  };
}
