/** Ends the embedded server when no process uses it. Server and users hold file locks, which the kernel releases when they end. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FileLock } from '../file-lock.ts';
import { homeFolder } from '../places.ts';

/** The time limit for the server to end after SIGTERM. */
const STOP_SECONDS = 10;

/** The lock that the server holds. */
export const serverLock = () => join(homeFolder(), 'server.lock');
/** The lock that all users of the server share. */
export const usersLock = () => join(homeFolder(), 'server.users');

/**
 * Ends the server unless a process uses it.
 * @param pid the server's process id
 * @returns whether no process uses it
 */
export async function endUnusedServer(pid: number): Promise<boolean> {
  // If several processes leave at the same time, the last one gets the lock. No process can join until the server has ended.
  const alone = FileLock.tryExclusive(usersLock());
  if (!alone) return false;
  try {
    await endServer(pid);
    return true;
  } finally {
    alone.release();
  }
}

async function endServer(pid: number): Promise<void> {
  const deadline = Date.now() + STOP_SECONDS * 1000;
  // While the lock is held, the registered process id is the server's and cannot have been reused.
  for (let signal: NodeJS.Signals | 0 = 'SIGTERM'; FileLock.isHeld(serverLock()); signal = 0) {
    try {
      process.kill(pid, Date.now() > deadline ? 'SIGKILL' : signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ESRCH') return;
      throw error;
    }
    await sleep(50);
  }
}
