/** `selm run` with variables of the environment that its workers read. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { selm, startSelm } from '../command.ts';
import { freePort } from '../free-port.ts';
import { jsonl } from '../jsonl.ts';
import { temporaryFolder } from '../temporary.ts';
import { tinyModel, tinyPrompts } from '../tiny-model.ts';
import { until } from '../until.ts';

const folder = temporaryFolder();
const path = (name: string) => join(folder, name);

beforeAll(() => {
  tinyModel(path('model'));
  writeFileSync(path('train.jsonl'), jsonl(tinyPrompts(8)));
  writeFileSync(path('held-out.jsonl'), jsonl(tinyPrompts(4, 1000)));
  // No response is chosen: the run ends when its first round waits for a decision.
  writeFileSync(
    path('run.yaml'),
    stringify({
      name: 'tiny',
      model: './model',
      prompts: { train: './train.jsonl', heldOut: './held-out.jsonl' },
      rounds: 1,
      sample: { maxNewTokens: 4 },
      evaluate: { maxNewTokens: 4 },
    }),
  );
});

test.each([
  ['SELM_GRACE_SECONDS', 'soon', 'selm: SELM_GRACE_SECONDS=soon is no number of seconds: give 90.\n'],
  ['SELM_METRICS_PORT', 'http', 'selm: SELM_METRICS_PORT=http is no port: give 1 to 65535.\n'],
])('%s=%s is refused before anything starts', async (variable, value, sentence) => {
  const home = path(variable);
  const { code, stderr } = await selm(['run', path('run.yaml')], { SELM_HOME: home, [variable]: value });
  expect([code, stderr]).toEqual([2, sentence]);
  expect(existsSync(join(home, 'server.json'))).toBe(false);
});

test('what a worker refuses ends the run: another one would refuse it, too', async () => {
  const { code, stderr } = await selm(['run', path('run.yaml')], { SELM_HOME: path('log'), SELM_LOG: 'xml' });
  expect(code, stderr).toBe(2);
  expect(stderr).toMatch(/^(selm: SELM_LOG=xml is no format: give text or json\.\n)+$/);
});

test('each worker has ports of its own', async () => {
  const ports = { SELM_METRICS_PORT: await freePort(), SELM_HEALTH_PORT: await freePort() };
  const env = Object.fromEntries(Object.entries(ports).map(([name, port]) => [name, String(port)]));
  const { process: command, ended } = startSelm(['run', path('run.yaml')], { SELM_HOME: path('ports'), ...env });
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
