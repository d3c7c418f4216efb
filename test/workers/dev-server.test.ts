/** The embedded server, after what can happen to it. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { joinDevServer, leaveDevServer } from '../../workers/dev-server.ts';
import { temporaryFolder } from '../temporary.ts';

const home = join(temporaryFolder(), 'home');
const before = process.env['SELM_HOME'];
beforeAll(() => {
  mkdirSync(home);
  process.env['SELM_HOME'] = home;
});
afterAll(() => {
  leaveDevServer();
  if (before === undefined) delete process.env['SELM_HOME'];
  else process.env['SELM_HOME'] = before;
});

it('starts where it was killed while it made its database', async () => {
  // A table of it is there, the others are not.
  const make =
    'import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute("create table schema_version (version_partition int)")';
  execFileSync('python3', ['-c', make, join(home, 'temporal.db')]);
  const address = await joinDevServer(() => {});
  const connection = await Connection.connect({ address });
  const { namespaceInfo } = await connection.workflowService.describeNamespace({ namespace: 'default' });
  expect(namespaceInfo?.name).toBe('default');
  await connection.close();
  expect(JSON.parse(readFileSync(join(home, 'server.json'), 'utf8'))).toMatchObject({ address, served: true });
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
  const worker = await Worker.create({ connection: native, taskQueue, workflowsPath, activities: { work }, maxConcurrentActivityTaskExecutions: 1 }); // prettier-ignore
  await worker.runUntil(new Client({ connection }).workflow.execute('manyTasks', { workflowId: taskQueue, taskQueue, args: [8] })); // prettier-ignore
  await Promise.all([native.close(), connection.close()]);
  expect(times).toHaveLength(8);
  // With the server's own settings a poll waits for two seconds at a part of the queue where there is nothing.
  const gaps = times.slice(1).map(({ from }, i) => from - times[i].to);
  expect(Math.max(...gaps)).toBeLessThan(1500);
});
