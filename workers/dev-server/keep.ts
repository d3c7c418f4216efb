/** Keeps the embedded server running for workers and restarts it when it dies. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { useServer } from '../temporal/connection.ts';
import { devServerRuns, joinDevServer, leaveDevServer } from './dev-server.ts';
import { FileLock } from '../file-lock.ts';
import { homeFolder } from '../places.ts';

const WATCH_MILLISECONDS = 1000;
const LOOK_MILLISECONDS = 20;

/** The lock that all processes with a control worker for this folder share. */
const workersLock = () => join(homeFolder(), 'server.workers');

/** Whether a control worker of this folder's server runs. */
export async function hasWorkers(): Promise<boolean> {
  if (!FileLock.isHeld(workersLock())) return false;
  // Another process may be testing the lock at the same moment.
  await sleep(LOOK_MILLISECONDS);
  return FileLock.isHeld(workersLock());
}

/**
 * Starts the embedded server, sets this process's environment to it, and restarts it when it dies.
 * @param options.answers whether this process has a control worker
 * @param options.stopping whether the server may end now
 * @returns a function that stops using the server
 */
export async function keepServer(
  say: (message: string) => void,
  { answers = true, stopping = () => false }: { answers?: boolean; stopping?: () => boolean } = {},
): Promise<() => Promise<void>> {
  useServer(await joinDevServer(say));
  const lock = answers ? await FileLock.shared(workersLock()) : undefined;
  let starting: Promise<void> | undefined;
  let failure = '';
  const restart = async () => {
    if (!failure) say("Temporal's dev server ended; starting it again.");
    try {
      await joinDevServer(say);
      failure = '';
    } catch (error) {
      const { message } = error as Error;
      if (message !== failure) say(message);
      failure = message;
    }
    starting = undefined;
  };
  const watch = setInterval(() => {
    if (!starting && !stopping() && !devServerRuns()) starting = restart();
  }, WATCH_MILLISECONDS);
  return async () => {
    clearInterval(watch);
    await starting;
    lock?.release();
    await leaveDevServer();
  };
}
