/** A test that blocks its process, as no time limit of Vitest ends it. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { temporaryFolder } from '../temporary.ts';

const vitest = fileURLToPath(new URL('../../node_modules/vitest/vitest.mjs', import.meta.url));
const reporter = fileURLToPath(new URL('hung-files.ts', import.meta.url));

it('its process is described and killed, the other files run, and it is named for another run', async () => {
  const folder = temporaryFolder();
  const write = (name: string, code: string) => writeFileSync(join(folder, name), code);
  write('blocked.test.js', "function spin() { for (;;) Math.random(); }\ntest('spins', spin);\n");
  write('other.test.js', "test('passes', () => {});\n");
  const list = join(folder, 'hung');
  const args = ['run', '--root', folder, '--globals', '--reporter=default', `--reporter=${reporter}`];
  const run = execFile(process.execPath, [vitest, ...args], {
    env: { ...process.env, SELM_TEST_HUNG: list, SELM_TEST_HUNG_MINUTES: '0.05', NO_COLOR: '1' },
  });
  const [stdout, stderr, [code]] = await Promise.all([
    text(run.stdout!),
    text(run.stderr!),
    once(run, 'close') as Promise<[number]>,
  ]);
  expect(stderr).toMatch(/^HUNG for 0\.05 minutes: blocked\.test\.js$/m);
  expect(stderr).toMatch(/#0 spin .*blocked\.test\.js/);
  expect(stdout).toContain('✓ other.test.js');
  expect(code).toBe(1);
  expect(readFileSync(list, 'utf8')).toBe('blocked.test.js');
});
