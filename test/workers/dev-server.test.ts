/** The embedded server, after what can happen to it. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Connection } from '@temporalio/client';
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
