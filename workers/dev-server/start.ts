/** Starts the embedded server's process on the home folder's database. */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { msToTs, tsToMs } from '@temporalio/common/lib/time.js';
import { InputError } from '../../data/errors.ts';
import { forkModule } from '../../engine/process/fork.ts';
import { freePort, isFree } from '../../engine/process/free-port.ts';
import { explainStart, isUnfinishedDatabase } from './errors.ts';
import { database, readRegistration, register, serverArguments, type Registration } from './registration.ts';
import type { FileLock } from '../file-lock.ts';
import { homeFolder } from '../places.ts';
import { attributeFlags, registerAttributes } from '../temporal/search-attributes.ts';

/** A started server that does not answer within this time is ended. */
export const START_SECONDS = 60;
const START_TRIES = 3;
const ANSWER_SECONDS = 2;
/** How long the server keeps the history of an ended run, for status, reports and garbage collection: as in a deployment. */
const RETENTION_DAYS = 30;
/**
 * One partition per task queue instead of four: a poll waits at one partition for two seconds before it sees tasks of another one, so
 * a worker that takes one shard at a time would idle for that long between shards.
 */
const SETTINGS = ['matching.numTaskqueueReadPartitions=1', 'matching.numTaskqueueWritePartitions=1'];
/** Fairness: runs that share workers take turns, by the fairness keys of their activities. */
const FAIRNESS = 'matching.enableFairness=true';

const logFile = () => join(homeFolder(), 'server.log');
/**
 * Marks a database that was created with fairness. Fairness uses other tables for tasks, so enabling it on a database of an earlier
 * version of selm would lose the queued tasks.
 */
const fairnessMark = () => join(homeFolder(), 'server.fairness');

/**
 * Starts a server and waits until it answers.
 * @param lock the server's lock, which its process inherits
 * @throws InputError when it cannot start with the existing database
 */
export async function startServer(executable: string, lock: FileLock): Promise<Registration> {
  const known = readRegistration();
  let served = known?.served ?? existsSync(database());
  let said = '';
  for (let tries = 0; tries < START_TRIES; tries++) {
    const port =
      tries === 0 && known && (await isFree(portOf(known.address))) ? portOf(known.address) : await freePort();
    const address = `127.0.0.1:${port}`;
    const isNew = !existsSync(database());
    if (isNew) writeFileSync(fairnessMark(), '');
    const settings = existsSync(fairnessMark()) ? [...SETTINGS, FAIRNESS] : SETTINGS;
    const flags = [
      String(port),
      '--headless',
      '--log-level',
      'error',
      ...settings.flatMap((setting) => ['--dynamic-config-value', setting]),
      // Only applied to a database that the server creates now.
      ...attributeFlags().flatMap((attribute) => ['--search-attribute', attribute]),
    ];
    const log = openSync(logFile(), 'w');
    const server = spawn(executable, [...serverArguments(), ...flags], {
      stdio: ['ignore', log, log, lock.fd],
      // It would report its version and the clients' to Temporal.
      env: { ...process.env, TEMPORAL_VERSION_CHECK_DISABLED: '1' },
      // Outside the terminal's process group, so that the workers end first at Ctrl-C.
      detached: true,
    });
    closeSync(log);
    const ended = new Promise<unknown>((resolve) => server.once('exit', resolve).once('error', resolve));
    const { pid } = server;
    if (pid === undefined)
      throw new InputError(
        `${executable} cannot be run (${((await ended) as Error).message}): correct the temporal command on PATH.`,
      );
    server.unref();
    register({ address, pid, served });
    startWatcher(pid);
    const kill = () => void server.kill('SIGKILL');
    // If this process ends now, no other process would end the server.
    process.once('exit', kill);
    const deadline = Date.now() + START_SECONDS * 1000;
    try {
      // The server ended: another process may have taken the port, or the server was killed.
      while (server.exitCode === null && server.signalCode === null && Date.now() < deadline) {
        if (await answers(address)) {
          await prepareNamespace(address, isNew);
          return register({ address, pid, served: true });
        }
        await sleep(100);
      }
    } finally {
      process.off('exit', kill);
    }
    kill();
    await ended;
    said = readFileSync(logFile(), 'utf8');
    if (server.exitCode !== null && (!served || isUnfinishedDatabase(said))) {
      removeDatabase();
      served = false;
    }
  }
  throw explainStart(said, executable, database());
}

/** Starts the watcher process, which ends the server if its users are killed. */
function startWatcher(server: number): void {
  const watcher = forkModule(new URL('./watcher.ts', import.meta.url), [String(server)], {
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    env: { ...process.env, SELM_HOME: homeFolder() },
    detached: true,
  });
  // The server also works without the watcher.
  watcher.on('error', () => {});
  if (watcher.connected) watcher.disconnect();
  watcher.unref();
}

/**
 * Lets the server keep histories longer than its default of one day, and adds the search attributes of runs to a database of an earlier
 * version of selm. Runs work without both.
 */
async function prepareNamespace(address: string, isNew: boolean): Promise<void> {
  const connection = await Connection.connect({ address });
  try {
    await keepHistories(connection).catch(() => {});
    if (!isNew) await registerAttributes(new Client({ connection })).catch(() => {});
  } finally {
    await connection.close();
  }
}

async function keepHistories({ workflowService }: Connection): Promise<void> {
  const namespace = 'default';
  const { config } = await workflowService.describeNamespace({ namespace });
  const wanted = RETENTION_DAYS * 24 * 3600 * 1000;
  if (tsToMs(config?.workflowExecutionRetentionTtl) >= wanted) return;
  await workflowService.updateNamespace({ namespace, config: { workflowExecutionRetentionTtl: msToTs(wanted) } });
}

/** Removes an incomplete database: the server was killed while it created the database, and cannot start with it. */
function removeDatabase(): void {
  for (const file of ['', '-journal', '-wal', '-shm']) rmSync(database() + file, { force: true });
}

/** Whether a server answers for its namespace. It listens before it answers. */
export async function answers(address: string): Promise<boolean> {
  let connection: Connection | undefined;
  try {
    const connected = (connection = await Connection.connect({ address, connectTimeout: `${ANSWER_SECONDS}s` }));
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
