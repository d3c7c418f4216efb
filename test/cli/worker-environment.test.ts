/** `selm run` with variables of the environment that its workers read. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { selm, startSelm } from '../command.ts';
import { freePorts } from '../free-port.ts';
import { temporaryFolder } from '../temporary.ts';
import { tinyRun } from '../tiny-run.ts';
import { until } from '../until.ts';

const folder = temporaryFolder();
const path = (name: string) => join(folder, name);

// No response is chosen: the run ends when its first round waits for a decision.
const file = tinyRun(folder);

test.each([
  ['SELM_GRACE_SECONDS', 'soon', 'selm: SELM_GRACE_SECONDS=soon is no number of seconds: give 90.\n'],
  ['SELM_METRICS_PORT', 'http', 'selm: SELM_METRICS_PORT=http is no port: give 1 to 65535.\n'],
])('%s=%s is refused before anything starts', async (variable, value, sentence) => {
  const home = path(variable);
  const { code, stderr } = await selm(['run', file], { SELM_HOME: home, [variable]: value });
  expect([code, stderr]).toEqual([2, sentence]);
  expect(existsSync(join(home, 'server.json'))).toBe(false);
});

test('what a worker refuses ends the run: another one would refuse it, too', async () => {
  const { code, stderr } = await selm(['run', file], { SELM_HOME: path('log'), SELM_LOG: 'xml' });
  expect(code, stderr).toBe(2);
  expect(stderr).toMatch(/^(selm: SELM_LOG=xml is no format: give text or json\.\n)+$/);
});

test('each worker has ports of its own', async () => {
  const first = await freePorts(4);
  const ports = { SELM_METRICS_PORT: first, SELM_HEALTH_PORT: first + 2 };
  const env = Object.fromEntries(Object.entries(ports).map(([name, port]) => [name, String(port)]));
  const { process: command, ended } = startSelm(['run', file], { SELM_HOME: path('ports'), ...env });
  let said = '';
  command.stderr!.on('data', (data) => (said += data));
  const states = Object.fromEntries(
    await Promise.all(
      [0, 1].map(async (index) => {
        const address = `http://127.0.0.1:${ports.SELM_HEALTH_PORT + index}`;
        const answer = () => fetch(address).then((response) => response.text());
        return [
          index,
          await until(
            `${address} answers`,
            () => answer().catch(() => undefined),
            () => said,
          ),
        ] as const;
      }),
    ),
  );
  // One line for each role.
  expect(states).toEqual({ 0: 'RUNNING', 1: 'RUNNING\nRUNNING' });
  const { code, stderr } = await ended;
  expect(code, stderr).toBe(3);
  expect(stderr).not.toContain('starting another');
});
