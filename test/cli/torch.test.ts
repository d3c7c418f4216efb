/** `selm torch install` without a network: a missing Python, an index that does not answer, and an environment that exists. */
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { completeMark, environmentFolder, interpreterIn } from '../../engine/python-environments.ts';
import { selm, summaryOf } from '../command.ts';
import { temporaryFolder } from '../temporary.ts';

const folder = temporaryFolder();
afterEach(() => vi.unstubAllEnvs());

const install = (env: Record<string, string>) => selm(['torch', 'install', '--cpu', '--json'], env);

test('an index that does not answer is one sentence, and leaves no environment that counts as complete', async () => {
  const cache = join(folder, 'cache');
  const index = { PIP_INDEX_URL: 'http://127.0.0.1:9', PIP_RETRIES: '0', PIP_FIND_LINKS: '', PIP_NO_INPUT: '1' };
  const { code, stderr } = await install({ SELM_CACHE: cache, ...index });
  expect(code).toBe(1);
  expect(stderr.trim().split('\n').at(-1)).toMatch(
    /^selm: The Python environment cannot be installed \(.+\): check the network connection, PIP_INDEX_URL and free disk space/,
  );
  vi.stubEnv('SELM_CACHE', cache);
  expect(existsSync(completeMark(environmentFolder('torch-cpu')))).toBe(false);
});

test('an environment that is complete is not made again', async () => {
  vi.stubEnv('SELM_CACHE', join(folder, 'made'));
  const made = environmentFolder('torch-cpu');
  mkdirSync(made, { recursive: true });
  writeFileSync(completeMark(made), '');
  const ended = await install({ SELM_CACHE: join(folder, 'made'), PATH: '' });
  expect(ended.code, ended.stderr).toBe(0);
  expect(summaryOf(ended)).toEqual({ kind: 'cpu', python: interpreterIn(made), made: false });
});

test('a machine without a Python that the packages support is told which versions they do', async () => {
  const bin = join(folder, 'bin');
  const env = { SELM_CACHE: join(folder, 'none'), PATH: bin };
  const needs = 'selm: selm torch install needs Python 3.11 to 3.14 on PATH, and';
  const remedy = 'install one of these versions, with its venv module.\n';
  expect(await install(env)).toMatchObject({ code: 2, stderr: `${needs} there is no python3: ${remedy}` });
  mkdirSync(bin);
  // Stands for an older Python: it prints the version that it is asked for.
  writeFileSync(join(bin, 'python3'), '#!/bin/sh\necho 3 9 2\n');
  chmodSync(join(bin, 'python3'), 0o755);
  expect(await install(env)).toMatchObject({ code: 2, stderr: `${needs} python3 is 3.9.2: ${remedy}` });
});
