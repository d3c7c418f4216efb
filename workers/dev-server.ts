/** The embedded Temporal server: a process of its own on a database file, found again after whatever ended its starter. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { homeFolder } from './places.ts';
import { findTemporal } from './temporal-binary.ts';

export interface DevServer {
  address: string;
  pid: number;
  /** Ends the server, unless another process that is alive has started it. Its database stays. */
  stop(): void;
}

/** What server.json tells of the server of a home folder. */
interface Registration {
  address: string;
  pid: number;
  owner: number;
}

const START_SECONDS = 60;

/** The server of the home folder, started if it does not run. */
export async function startDevServer(say: (message: string) => void): Promise<DevServer> {
  const home = homeFolder();
  mkdirSync(home, { recursive: true });
  const file = join(home, 'server.json');
  const running = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Registration) : undefined;
  if (running && isAlive(running.pid) && (await answers(running.address))) {
    const owned = !isAlive(running.owner) || running.owner === process.pid;
    return handle(running, owned);
  }
  const temporal = await findTemporal(say);
  const port = await freePort();
  const address = `127.0.0.1:${port}`;
  const flags = ['--ip', '127.0.0.1', '--port', String(port), '--headless', '--log-level', 'error'];
  const server = spawn(temporal, ['server', 'start-dev', '--db-filename', join(home, 'temporal.db'), ...flags], {
    stdio: 'ignore',
    // Not in the terminal's process group: Ctrl-C ends the workers first.
    detached: true,
  });
  server.unref();
  const registration = { address, pid: server.pid!, owner: process.pid };
  writeFileSync(file, JSON.stringify(registration));
  for (let waited = 0; waited < START_SECONDS * 10; waited++) {
    if (await answers(address)) return handle(registration, true);
    if (server.exitCode !== null) break;
    await sleep(100);
  }
  throw new Error(`Temporal's dev server did not start (${temporal}, database ${join(home, 'temporal.db')}).`);
}

const handle = ({ address, pid }: Registration, owned: boolean): DevServer => ({
  address,
  pid,
  stop: () => {
    if (owned && isAlive(pid)) process.kill(pid, 'SIGTERM');
  },
});

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

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => probe.once('listening', resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}
