/** The embedded server: crashes, concurrent users and damaged files. */
import { execFileSync, fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client, Connection, WorkflowNotFoundError } from '@temporalio/client';
import { msToTs, tsToMs } from '@temporalio/common/lib/time.js';
import { NativeConnection, Worker } from '@temporalio/worker';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { InputError } from '../../data/errors.ts';
import { connectEmbedded } from '../../workers/temporal/connection.ts';
import { devServerRuns, joinDevServer, leaveDevServer } from '../../workers/dev-server/dev-server.ts';
import { serverArguments } from '../../workers/dev-server/registration.ts';
import { findTemporal } from '../../workers/dev-server/temporal-binary.ts';
import { freePort } from '../free-port.ts';
import { temporaryFolder } from '../temporary.ts';

const folder = temporaryFolder();
const home = join(folder, 'home');
const before = process.env['SELM_HOME'];
const inHome = (name: string) => join(home, name);
const registered = () =>
  JSON.parse(readFileSync(inHome('server.json'), 'utf8')) as { address: string; pid: number; served: boolean };

beforeAll(() => {
  process.env['SELM_HOME'] = home;
  mkdirSync(home);
});
afterAll(async () => {
  await leaveDevServer();
  if (before === undefined) delete process.env['SELM_HOME'];
  else process.env['SELM_HOME'] = before;
});

/** The processes of servers on this home's database. */
function servers(): number[] {
  const lines = execFileSync('ps', ['-A', '-o', 'pid=,args='], { encoding: 'utf8' }).trim().split('\n');
  return lines.filter((line) => line.includes(`--db-filename ${inHome('temporal.db')}`)).map((line) => parseInt(line));
}

it('starts where it was killed while it made its database', async () => {
  // A table of it is there, the others are not.
  const make =
    'import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute("create table schema_version (version_partition int)")';
  execFileSync('python3', ['-c', make, inHome('temporal.db')]);
  const address = await joinDevServer(() => {});
  const connection = await Connection.connect({ address });
  const { namespaceInfo, config } = await connection.workflowService.describeNamespace({ namespace: 'default' });
  expect(namespaceInfo?.name).toBe('default');
  // The default of a development server is one day.
  expect(tsToMs(config?.workflowExecutionRetentionTtl)).toBe(30 * 24 * 3600 * 1000);
  await connection.close();
  expect(JSON.parse(readFileSync(inHome('server.json'), 'utf8'))).toMatchObject({ address, served: true });
});

it('hands a worker that takes one task at a time the next as soon as it is free', async () => {
  const address = await joinDevServer(() => {});
  const native = await NativeConnection.connect({ address });
  const connection = await Connection.connect({ address });
  const taskQueue = 'one-at-a-time';
  const times: { from: number; to: number }[] = [];
  const work = async () => {
    const from = performance.now();
    await sleep(50);
    times.push({ from, to: performance.now() });
  };
  const workflowsPath = fileURLToPath(new URL('./many-tasks.ts', import.meta.url));
  const worker = await Worker.create({
    connection: native,
    taskQueue,
    workflowsPath,
    activities: { work },
    maxConcurrentActivityTaskExecutions: 1,
  });
  await worker.runUntil(
    new Client({ connection }).workflow.execute('manyTasks', { workflowId: taskQueue, taskQueue, args: [8] }),
  );
  await Promise.all([native.close(), connection.close()]);
  expect(times).toHaveLength(8);
  // With the server's own settings a poll waits for two seconds at a part of the queue where there is nothing.
  const gaps = times.slice(1).map(({ from }, i) => from - times[i].to);
  expect(Math.max(...gaps)).toBeLessThan(1500);
});

async function leave(user: ChildProcess): Promise<void> {
  const exited = once(user, 'exit');
  user.send('leave');
  await exited;
}

describe('one server on a database', () => {
  const users: ChildProcess[] = [];
  afterEach(() => users.splice(0).forEach((user) => user.kill('SIGKILL')));

  /** A process that joins; it is told what it says before it has joined. */
  function joinElsewhere() {
    const user = fork(new URL('./join-server.mjs', import.meta.url));
    users.push(user);
    const said: string[] = [];
    const address = new Promise<string>((resolve, reject) => {
      user.on('exit', (code) => {
        if (code) reject(new Error(`A process ended with code ${code} before it had joined the server.`));
      });
      user.on('message', (message: { said?: string; address?: string }) => {
        if (message.said !== undefined) said.push(message.said);
        if (message.address !== undefined) resolve(message.address);
      });
    });
    return { user, said, address };
  }

  it('is started by one of several processes at once, and ends with the last of them', async () => {
    await leaveDevServer();
    expect(servers()).toEqual([]);
    const joined = [joinElsewhere(), joinElsewhere(), joinElsewhere()];
    const addresses = await Promise.all(joined.map(({ address }) => address));
    expect(new Set(addresses)).toEqual(new Set([registered().address]));
    expect(servers()).toEqual([registered().pid]);
    // A killed process no longer uses the server.
    joined[0].user.kill('SIGKILL');
    await leave(joined[1].user);
    expect(servers()).toEqual([registered().pid]);
    await leave(joined[2].user);
    expect(servers()).toEqual([]);
  });

  it('ends where its users are killed', async () => {
    const joined = [joinElsewhere(), joinElsewhere()];
    await Promise.all(joined.map(({ address }) => address));
    joined.forEach(({ user }) => user.kill('SIGKILL'));
    await expect.poll(servers).toEqual([]);
  });

  it('ends with users that leave at the same time', async () => {
    const joined = [joinElsewhere(), joinElsewhere(), joinElsewhere()];
    await Promise.all(joined.map(({ address }) => address));
    await Promise.all(joined.map(({ user }) => leave(user)));
    expect(servers()).toEqual([]);
  });

  it('is waited for where it does not answer, and that is said', async () => {
    const address = await joinDevServer(() => {});
    const { pid } = registered();
    process.kill(pid, 'SIGSTOP');
    try {
      const other = joinElsewhere();
      await expect
        .poll(() => other.said)
        .toEqual([`Waiting for Temporal's dev server (process ${pid}), which does not answer.`]);
      expect(servers()).toEqual([pid]);
      process.kill(pid, 'SIGCONT');
      expect(await other.address).toBe(address);
      await leave(other.user);
      expect(servers()).toEqual([pid]);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
  });

  it('ends even where it takes no notice', async () => {
    await joinDevServer(() => {});
    process.kill(registered().pid, 'SIGSTOP');
    await leaveDevServer();
    expect(servers()).toEqual([]);
  });

  it.each(['', '{"address": "127.0', '{}'])('is found where server.json holds %j', async (content) => {
    const address = await joinDevServer(() => {});
    const { pid } = registered();
    writeFileSync(inHome('server.json'), content);
    const other = joinElsewhere();
    expect(await other.address).toBe(address);
    expect(servers()).toEqual([pid]);
    await leave(other.user);
    expect(registered()).toEqual({ address, pid, served: true });
    // Those who work on it look after it, too: not every machine has ps.
    writeFileSync(inHome('server.json'), content);
    expect(devServerRuns()).toBe(true);
    expect(registered()).toEqual({ address, pid, served: true });

    await leaveDevServer();
    writeFileSync(inHome('server.json'), content);
    await joinDevServer(() => {});
    expect(servers()).toEqual([registered().pid]);
  });

  it('is known to hold runs as soon as somebody has joined it: its database is never removed again', async () => {
    await joinDevServer(() => {});
    // As where the process that started it was killed before it answered.
    writeFileSync(inHome('server.json'), JSON.stringify({ ...registered(), served: false }));
    const other = joinElsewhere();
    await other.address;
    expect(registered().served).toBe(true);
    await leave(other.user);
  });

  it('is refused beside one of an earlier version, which holds no lock', async () => {
    await leaveDevServer();
    const older = spawn(await findTemporal(() => {}), [...serverArguments(), String(await freePort()), '--headless'], {
      stdio: 'ignore',
    });
    const exited = once(older, 'exit');
    try {
      const refused = joinDevServer(() => {});
      await expect(refused).rejects.toThrow(InputError);
      await expect(refused).rejects.toThrow(
        `Process ${older.pid}, the Temporal server of an earlier version of selm, uses the database ${inHome('temporal.db')}`,
      );
      expect(servers()).toEqual([older.pid]);
    } finally {
      older.kill('SIGKILL');
      await exited;
    }
    await joinDevServer(() => {});
    expect(servers()).toEqual([registered().pid]);
  });
});

it('a client waits where the server does not know its namespace yet', async () => {
  const address = await joinDevServer(() => {});
  process.env['TEMPORAL_ADDRESS'] = address;
  process.env['TEMPORAL_NAMESPACE'] = 'later';
  try {
    const client = await connectEmbedded();
    const described = client.workflow.getHandle('nobody').describe();
    described.catch(() => {});
    const { connection } = new Client({ connection: await Connection.connect({ address }) });
    await expect(connection.workflowService.describeNamespace({ namespace: 'later' })).rejects.toThrow('not found');
    await connection.workflowService.registerNamespace({
      namespace: 'later',
      workflowExecutionRetentionPeriod: msToTs('1 day'),
    });
    await expect(described).rejects.toThrow(WorkflowNotFoundError);
    await Promise.all([connection.close(), client.connection.close()]);
  } finally {
    delete process.env['TEMPORAL_ADDRESS'];
    delete process.env['TEMPORAL_NAMESPACE'];
  }
});

describe('a home that cannot be used', () => {
  afterEach(() => (process.env['SELM_HOME'] = home));

  it('is told where it cannot be created', async () => {
    const nowhere = join(folder, 'file', 'home');
    writeFileSync(join(folder, 'file'), '');
    process.env['SELM_HOME'] = nowhere;
    const refused = joinDevServer(() => {});
    await expect(refused).rejects.toThrow(InputError);
    await expect(refused).rejects.toThrow(`The folder ${nowhere} cannot be created (ENOTDIR`);
  });
});

describe('a database that cannot be used', () => {
  it('is told with its remedy where it is damaged, and stays', async () => {
    await leaveDevServer();
    const garbage = Buffer.alloc(100_000, 'x');
    writeFileSync(inHome('temporal.db'), garbage);
    const refused = joinDevServer(() => {});
    await expect(refused).rejects.toThrow(InputError);
    await expect(refused).rejects.toThrow(
      `Temporal's database ${inHome('temporal.db')} is damaged: move it away, then run the command again.`,
    );
    expect(readFileSync(inHome('temporal.db'))).toEqual(garbage);
    rmSync(inHome('temporal.db'));
  });

  it.skipIf(process.platform !== 'linux' || process.getuid!() !== 0)('where its disk is full', async () => {
    const disk = join(folder, 'disk');
    mkdirSync(disk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=100k', 'tmpfs', disk]);
    try {
      process.env['SELM_HOME'] = disk;
      const refused = joinDevServer(() => {});
      await expect(refused).rejects.toThrow(InputError);
      await expect(refused).rejects.toThrow(/temporal\.db is full: free some space/);
    } finally {
      process.env['SELM_HOME'] = home;
      execFileSync('umount', ['--lazy', disk]);
    }
  });
});
