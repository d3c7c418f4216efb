/**
 * The embedded Temporal server: a separate process on a database file, shared by all processes that use one home folder. The server holds
 * a lock while it runs, so that no second server opens the database. The processes that use the server share another lock.
 */
import { existsSync, mkdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { InputError } from '../../data/errors.ts';
import { endUnusedServer, serverLock, usersLock } from './end.ts';
import { database, findServerProcess, readRegistration, register, type Registration } from './registration.ts';
import { answers, START_SECONDS, startServer } from './start.ts';
import { FileLock } from '../file-lock.ts';
import { homeFolder } from '../places.ts';
import { TemporalFailed } from '../temporal/errors.ts';
import { findTemporal } from './temporal-binary.ts';

/** After this time a message says that the command waits for a server that does not answer. */
const PATIENCE_SECONDS = 5;

/** The server that this process uses, and the process's share of the users' lock. */
let joined: { users: FileLock; registration: Registration } | undefined;

/**
 * Starts the home folder's server unless it runs, and keeps it running until this process leaves it.
 * @returns its address, which does not change on a restart
 * @throws InputError when it cannot start with the existing database, TemporalFailed when a running server does not answer
 */
export async function joinDevServer(say: (message: string) => void): Promise<string> {
  makeHome();
  const users = joined?.users ?? (await FileLock.shared(usersLock()));
  try {
    const registration = await runningServer(say);
    joined = { users, registration };
    return registration.address;
  } catch (error) {
    if (!joined) users.release();
    throw error;
  }
}

function makeHome(): void {
  try {
    mkdirSync(homeFolder(), { recursive: true });
  } catch (error) {
    throw new InputError(
      `The folder ${homeFolder()} cannot be created (${(error as Error).message}): set SELM_HOME to a folder that can be written.`,
    );
  }
}

/** Waits for the running server to answer, or starts a new one. */
async function runningServer(say: (message: string) => void): Promise<Registration> {
  const running = FileLock.isHeld(serverLock()) && (await answeringServer());
  if (running) return running;
  const executable = await findTemporal(say);
  const began = Date.now();
  for (let said = false; ;) {
    const lock = FileLock.tryExclusive(serverLock());
    if (lock) {
      try {
        await refuseOlderServer();
        return await startServer(executable, lock);
      } finally {
        lock.release();
      }
    }
    const answering = await answeringServer();
    if (answering) return answering;
    const other = readRegistration() ?? findServerProcess();
    const seconds = (Date.now() - began) / 1000;
    const place = other ? `process ${other.pid}` : serverLock();
    if (seconds > START_SECONDS) {
      throw new TemporalFailed(
        `Temporal's dev server (${place}) has not answered for ${START_SECONDS} s: ` +
          `end it${other ? ` (kill -9 ${other.pid})` : ''}, then run the command again.`,
      );
    }
    if (seconds > PATIENCE_SECONDS && !said) {
      say(`Waiting for Temporal's dev server (${place}), which does not answer.`);
      said = true;
    }
    await sleep(100);
  }
}

async function answeringServer(): Promise<Registration | undefined> {
  const known = readRegistration();
  if (known && (await answers(known.address))) {
    // Another process may have started the server meanwhile, on the same port.
    const current = readRegistration() ?? known;
    return current.served ? current : register({ ...current, served: true });
  }
  const found = findServerProcess();
  return found && (await answers(found.address)) ? register(found) : undefined;
}

/** Waits for the server of an earlier version of selm, which holds no lock. @throws InputError unless it ends within seconds */
async function refuseOlderServer(): Promise<void> {
  const deadline = Date.now() + PATIENCE_SECONDS * 1000;
  for (let older; (older = findServerProcess()); await sleep(500)) {
    if (Date.now() < deadline) continue;
    throw new InputError(
      `Process ${older.pid}, the Temporal server of an earlier version of selm, uses the database ${database()}: ` +
        `end the commands that use it and the server itself (kill ${older.pid}), then run the command again.`,
    );
  }
}

/** Stops using the server, and ends it unless another process uses it. Its database stays. */
export async function leaveDevServer(): Promise<void> {
  if (!joined) return;
  const { users, registration } = joined;
  joined = undefined;
  users.release();
  await endUnusedServer((readRegistration() ?? registration).pid);
}

/** The file descriptor of this process's share of the users' lock. A child process that inherits it also uses the server. */
export const sharedUse = (): number | undefined => joined?.users.fd;

/** Whether the home folder's server runs. Writes server.json again if it is missing. */
export function devServerRuns(): boolean {
  if (!FileLock.isHeld(serverLock())) return false;
  if (joined && !readRegistration()) register(joined.registration);
  return true;
}

/** Whether a server has ever run in the home folder. */
export const hasDatabase = () => existsSync(database());
