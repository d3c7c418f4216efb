/** The Temporal CLI on a machine that has neither it nor Go, and cannot download it. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TemporalFailed } from '../../workers/errors.ts';
import { findTemporal } from '../../workers/temporal-binary.ts';
import { temporaryFolder } from '../temporary.ts';

const folder = temporaryFolder();
// Nothing listens at port 9.
const environment = { PATH: join(folder, 'bin'), SELM_CACHE: join(folder, 'cache'), HTTPS_PROXY: 'http://127.0.0.1:9' };
const before = Object.keys(environment).map((name) => [name, process.env[name]] as const);
beforeAll(() => {
  mkdirSync(environment.PATH);
  Object.assign(process.env, environment);
});
afterAll(() => {
  for (const [name, value] of before) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
});

test('the error of the download is shown before the build begins', async () => {
  const said: string[] = [];
  const failure = await findTemporal((message) => said.push(message)).catch((error: unknown) => error);
  expect(said).toEqual([
    expect.stringMatching(/^Temporal's dev server cannot be downloaded \(.+\)\.$/),
    expect.stringMatching(/^Building Temporal's dev server with Go/),
  ]);
  expect(failure).toBeInstanceOf(TemporalFailed);
  expect((failure as Error).message).toContain('Go is not installed');
});
