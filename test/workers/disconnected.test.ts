/** A worker whose parent lets go of it ends, whatever it was doing then. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startDevServer, type DevServer } from '../dev-server.ts';
import { temporaryFolder } from '../temporary.ts';

const home = temporaryFolder();
let server: DevServer;
beforeAll(async () => void (server = await startDevServer()));
afterAll(() => server.stop());

// While it loads, connects, creates its workers, or runs them: a machine decides which it is.
test.each([0, 300, 600, 1200, 2400])('a worker that is let go after %i ms ends', async (milliseconds) => {
  const worker = spawn(process.execPath, [join(process.env['SELM_TEST_PACKAGE']!, 'workers/main.js'), 'control'], {
    env: { ...process.env, SELM_HOME: home, TEMPORAL_ADDRESS: server.address },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const exited = once(worker, 'exit');
  await sleep(milliseconds);
  worker.disconnect();
  expect(await exited).toEqual([0, null]);
});
