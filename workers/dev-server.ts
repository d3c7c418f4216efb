/** The embedded Temporal server: a process of its own on a database file, shared by all that run in one home folder. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { homeFolder } from './places.ts';
import { findTemporal } from './temporal-binary.ts';

/** What server.json tells of the home folder's server. */
interface Registration {
  address: string;
  pid: number;
  /** The processes that need it: the last of them to leave ends it. */
  users: number[];
  /** Whether it has ever answered: before, its database may be half made, and holds nothing. */
  served: boolean;
}

const START_SECONDS = 60;
const START_TRIES = 3;
/**
 * A queue has four partitions by default, and a poll waits at one of them for two seconds before it sees what lies in another: a
 * worker that takes one shard at a time would stand still so long between shards.
 */
const SETTINGS = ['matching.numTaskqueueReadPartitions=1', 'matching.numTaskqueueWritePartitions=1'];

/**
 * Starts the home folder's server if it does not run, and keeps it until this process leaves it.
 * @returns its address, which stays the same when it is started again
 */
export async function joinDevServer(say: (message: string) => void): Promise<string> {
  mkdirSync(homeFolder(), { recursive: true });
  const known = readRegistration();
  const users = [...(known?.users ?? []).filter((pid) => pid !== process.pid && isAlive(pid)), process.pid];
  if (known && isAlive(known.pid) && (await answers(known.address))) {
    register({ ...known, users });
    return known.address;
  }
  const executable = await findTemporal(say);
  const database = join(homeFolder(), 'temporal.db');
  const served = known?.served ?? false;
  for (let tries = 0; tries < START_TRIES; tries++) {
    const port =
      tries === 0 && known && (await isFree(portOf(known.address))) ? portOf(known.address) : await freePort();
    const address = `127.0.0.1:${port}`;
    const flags = ['--ip', '127.0.0.1', '--port', String(port), '--headless', '--log-level', 'error'];
    const settings = SETTINGS.flatMap((setting) => ['--dynamic-config-value', setting]);
    const server = spawn(executable, ['server', 'start-dev', '--db-filename', database, ...flags, ...settings], {
      stdio: 'ignore',
      // Not in the terminal's process group: at Ctrl-C the workers end first.
      detached: true,
    });
    server.unref();
    register({ address, pid: server.pid!, users, served });
    const deadline = Date.now() + START_SECONDS * 1000;
    // Where it ends, another process has taken the port in the meantime, perhaps, or somebody has killed it.
    while (server.exitCode === null && server.signalCode === null && Date.now() < deadline) {
      if (await answers(address)) {
        register({ ...readRegistration()!, served: true });
        return address;
      }
      await sleep(100);
    }
    server.kill('SIGKILL');
    if (server.exitCode !== null && !served) removeDatabase(database);
  }
  throw new Error(`Temporal's dev server did not start (${executable}, database ${database}).`);
}

/** A server that was killed while it made its database does not start with what there is of it. */
function removeDatabase(database: string): void {
  for (const file of ['', '-journal', '-wal', '-shm']) rmSync(database + file, { force: true });
}

/** Ends the server, unless another process needs it. Its database stays. */
export function leaveDevServer(): void {
  const known = readRegistration();
  if (!known) return;
  const users = known.users.filter((pid) => pid !== process.pid && isAlive(pid));
  register({ ...known, users });
  if (users.length === 0 && isAlive(known.pid)) process.kill(known.pid, 'SIGTERM');
}

/** The address of the home folder's server, if it runs. */
export function runningDevServer(): string | undefined {
  const known = readRegistration();
  return known && isAlive(known.pid) ? known.address : undefined;
}

const registrationFile = () => join(homeFolder(), 'server.json');

function readRegistration(): Registration | undefined {
  return existsSync(registrationFile()) ? (JSON.parse(readFileSync(registrationFile(), 'utf8')) as Registration) : undefined; // prettier-ignore
}

function register(registration: Registration): void {
  const temporary = `${registrationFile()}.${process.pid}`;
  writeFileSync(temporary, JSON.stringify(registration));
  renameSync(temporary, registrationFile());
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function answers(address: string): Promise<boolean> {
  try {
    const connection = await Connection.connect({ address, connectTimeout: '2s' });
    // It listens before its namespace is there.
    await connection.workflowService.describeNamespace({ namespace: 'default' });
    await connection.close();
    return true;
  } catch {
    return false;
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
