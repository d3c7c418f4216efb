/**
 * The embedded Temporal server: a process of its own on a database file, shared by all that run in one home folder. Locks decide:
 * the server holds one for as long as it lives, so that no second server opens the database; whoever uses the server shares another.
 */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { z } from 'zod';
import { InputError } from '../data/errors.ts';
import { explainStart, isUnfinishedDatabase } from './dev-server-errors.ts';
import { FileLock } from './file-lock.ts';
import { homeFolder } from './places.ts';
import { findTemporal } from './temporal-binary.ts';

/** What server.json tells of the home folder's server. */
const registrationSchema = z.object({
  address: z.string(),
  pid: z.int(),
  /** Whether it has ever answered: before, its database may be half made, and holds nothing. */
  served: z.boolean(),
});
type Registration = z.infer<typeof registrationSchema>;

const START_SECONDS = 60;
const START_TRIES = 3;
/** Until it is said that a server which is there is waited for. */
const PATIENCE_SECONDS = 5;
const ANSWER_SECONDS = 2;
/** Of an orderly end. */
const STOP_SECONDS = 10;
/**
 * A queue has four partitions by default, and a poll waits at one of them for two seconds before it sees what lies in another: a
 * worker that takes one shard at a time would stand still so long between shards.
 */
const SETTINGS = ['matching.numTaskqueueReadPartitions=1', 'matching.numTaskqueueWritePartitions=1'];

const inHome = (name: string) => join(homeFolder(), name);
const registrationFile = () => inHome('server.json');
const database = () => inHome('temporal.db');
const logFile = () => inHome('server.log');
const serverLock = () => inHome('server.lock');

/** What this process has joined, and its share of the lock of all users. */
let joined: { users: FileLock; registration: Registration } | undefined;

/**
 * Starts the home folder's server if it does not run, and keeps it until this process leaves it.
 * @returns its address, which stays the same when it is started again
 * @throws InputError when it does not start by the state of its database, Error when a server that is there does not answer
 */
export async function joinDevServer(say: (message: string) => void): Promise<string> {
  mkdirSync(homeFolder(), { recursive: true });
  const users = joined?.users ?? (await FileLock.shared(inHome('server.users')));
  try {
    const registration = await runningServer(say);
    joined = { users, registration };
    return registration.address;
  } catch (error) {
    if (!joined) users.release();
    throw error;
  }
}

/** The server that runs, once it answers, or a new one. */
async function runningServer(say: (message: string) => void): Promise<Registration> {
  const known = readRegistration();
  if (known && FileLock.isHeld(serverLock()) && (await answers(known.address))) return known;
  const executable = await findTemporal(say);
  const began = Date.now();
  for (let said = false; ;) {
    const lock = FileLock.tryExclusive(serverLock());
    if (lock) {
      try {
        return await start(executable, lock);
      } finally {
        lock.release();
      }
    }
    const other = readRegistration();
    if (other && (await answers(other.address))) return other;
    const seconds = (Date.now() - began) / 1000;
    const place = other ? `process ${other.pid}` : serverLock();
    if (seconds > START_SECONDS) {
      throw new Error(`Temporal's dev server (${place}) has not answered for ${START_SECONDS} s: end it${other ? ` (kill -9 ${other.pid})` : ''}, then run the command again.`); // prettier-ignore
    }
    if (seconds > PATIENCE_SECONDS && !said) {
      say(`Waiting for Temporal's dev server (${place}), which does not answer.`);
      said = true;
    }
    await sleep(100);
  }
}

/** @param lock of the server's: the process inherits it */
async function start(executable: string, lock: FileLock): Promise<Registration> {
  const known = readRegistration();
  let served = known?.served ?? existsSync(database());
  let said = '';
  for (let tries = 0; tries < START_TRIES; tries++) {
    const port =
      tries === 0 && known && (await isFree(portOf(known.address))) ? portOf(known.address) : await freePort();
    const address = `127.0.0.1:${port}`;
    const flags = ['--ip', '127.0.0.1', '--port', String(port), '--headless', '--log-level', 'error'];
    const settings = SETTINGS.flatMap((setting) => ['--dynamic-config-value', setting]);
    const log = openSync(logFile(), 'w');
    const server = spawn(executable, ['server', 'start-dev', '--db-filename', database(), ...flags, ...settings], {
      stdio: ['ignore', log, log, lock.fd],
      // Not in the terminal's process group: at Ctrl-C the workers end first.
      detached: true,
    });
    closeSync(log);
    const ended = new Promise<unknown>((resolve) => server.once('exit', resolve).once('error', resolve));
    const { pid } = server;
    if (pid === undefined) throw new InputError(`${executable} cannot be run (${(await ended as Error).message}): correct the temporal command on PATH.`); // prettier-ignore
    server.unref();
    register({ address, pid, served });
    const deadline = Date.now() + START_SECONDS * 1000;
    // Where it ends, another process has taken the port in the meantime, perhaps, or somebody has killed it.
    while (server.exitCode === null && server.signalCode === null && Date.now() < deadline) {
      if (await answers(address)) return register({ address, pid, served: true });
      await sleep(100);
    }
    server.kill('SIGKILL');
    await ended;
    said = readFileSync(logFile(), 'utf8');
    if (server.exitCode !== null && (!served || isUnfinishedDatabase(said))) {
      removeDatabase();
      served = false;
    }
  }
  throw explainStart(said, executable, database());
}

/** A server that was killed while it made its database does not start with what there is of it. */
function removeDatabase(): void {
  for (const file of ['', '-journal', '-wal', '-shm']) rmSync(database() + file, { force: true });
}

/** Ends the server, unless another process needs it. Its database stays. */
export async function leaveDevServer(): Promise<void> {
  if (!joined) return;
  const { users } = joined;
  joined = undefined;
  try {
    // Until it has ended nobody can join it: users are excluded.
    if (users.tryUpgrade()) await endServer();
  } finally {
    users.release();
  }
}

async function endServer(): Promise<void> {
  const known = readRegistration();
  if (!known) return;
  const deadline = Date.now() + STOP_SECONDS * 1000;
  // While the lock is held, the process that is registered is the server, and no other that has got its number.
  for (let signal: NodeJS.Signals | 0 = 'SIGTERM'; FileLock.isHeld(serverLock()); signal = 0) {
    try {
      process.kill(known.pid, Date.now() > deadline ? 'SIGKILL' : signal);
    } catch {
      return;
    }
    await sleep(50);
  }
}

/** Whether the server of this process's home folder runs. What it is registered as is written again where it has been lost. */
export function devServerRuns(): boolean {
  if (!FileLock.isHeld(serverLock())) return false;
  if (joined && !readRegistration()) register(joined.registration);
  return true;
}

/** Whether a server has ever run in the home folder. */
export const hasDatabase = () => existsSync(database());

/** What server.json says; nothing where it is not there, empty or cut. */
function readRegistration(): Registration | undefined {
  try {
    return registrationSchema.parse(JSON.parse(readFileSync(registrationFile(), 'utf8')));
  } catch {
    return undefined;
  }
}

function register(registration: Registration): Registration {
  const temporary = `${registrationFile()}.${process.pid}`;
  writeFileSync(temporary, JSON.stringify(registration));
  renameSync(temporary, registrationFile());
  return registration;
}

async function answers(address: string): Promise<boolean> {
  let connection: Connection | undefined;
  try {
    const connected = (connection = await Connection.connect({ address, connectTimeout: `${ANSWER_SECONDS}s` }));
    // It listens before its namespace is there.
    await connected.withDeadline(Date.now() + ANSWER_SECONDS * 1000, () =>
      connected.workflowService.describeNamespace({ namespace: 'default' }),
    );
    return true;
  } catch {
    return false;
  } finally {
    await connection?.close();
  }
}

const portOf = (address: string) => Number(address.split(':')[1]);

const freePort = () => listen(0);

const isFree = (port: number) => listen(port).then(Boolean, () => false);

/** Listens for a moment; returns the port. */
async function listen(port: number): Promise<number> {
  const probe = createServer().listen(port, '127.0.0.1');
  await new Promise((resolve, reject) => probe.once('listening', resolve).once('error', reject));
  const { port: taken } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return taken;
}
