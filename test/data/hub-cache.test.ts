/** The size limit of the hub cache, with a local server that implements the hub's API. */
import { existsSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { resolveModel } from '../../data/hub/models.ts';
import { whileUsed } from '../../data/in-use.ts';
import { startHub, type Repository } from '../hub-server.ts';
import { temporaryFolder } from '../temporary.ts';

const cache = temporaryFolder();
const model: Repository = { revision: 'main', files: { 'model.safetensors': Buffer.alloc(1000) } };
const { downloads } = await startHub(
  { 'models/org/a': model, 'models/org/b': model, 'models/org/c': model, 'models/org/d': model },
  cache,
);

const folderOf = (name: string) => join(cache, `models--org--${name}`);
const isThere = () => ['a', 'b', 'c'].filter((name) => existsSync(folderOf(name)));
const usedHoursAgo = (name: string, hours: number) => {
  const time = Date.now() / 1000 - hours * 3600;
  utimesSync(folderOf(name), time, time);
};

beforeEach(() => (downloads.length = 0));

test('what was used longest ago goes when there is no room, and comes again when it is asked for', async () => {
  process.env['SELM_HUB_CACHE_GB'] = '0.0000025';
  await resolveModel('org/a');
  await resolveModel('org/b');
  usedHoursAgo('a', 2);
  usedHoursAgo('b', 1);
  // Uses the cached model a again, so that b is now the least recently used.
  await resolveModel('org/a');
  expect(downloads).toHaveLength(2);
  usedHoursAgo('a', 0.5);
  await resolveModel('org/c');
  expect(isThere()).toEqual(['a', 'c']);
  usedHoursAgo('c', 1);
  expect(existsSync(await resolveModel('org/b'))).toBe(true);
  expect(isThere()).toEqual(['a', 'b']);
  expect(downloads).toHaveLength(4);
});

test('what may be in use stays, above the limit too', async () => {
  await resolveModel('org/a');
  await resolveModel('org/b');
  await resolveModel('org/c');
  expect(isThere()).toEqual(['a', 'b', 'c']);
});

test('without a limit nothing goes', async () => {
  delete process.env['SELM_HUB_CACHE_GB'];
  for (const name of ['a', 'b']) usedHoursAgo(name, 5);
  await resolveModel('org/c');
  expect(isThere()).toEqual(['a', 'b', 'c']);
});

test('a limit that is no number is refused', async () => {
  process.env['SELM_HUB_CACHE_GB'] = 'much';
  await expect(resolveModel('org/a')).rejects.toThrow('SELM_HUB_CACHE_GB=much is no size: give a number of gigabytes.');
});

test('what a running step uses stays, however long ago it was opened', async () => {
  process.env['SELM_HUB_CACHE_GB'] = '0.0000025';
  for (const name of ['a', 'b', 'c']) usedHoursAgo(name, 2);
  await whileUsed(async () => {
    await resolveModel('org/a');
    usedHoursAgo('a', 3);
    await expect.poll(() => Date.now() - statSync(folderOf('a')).mtimeMs).toBeLessThan(60_000);
    await resolveModel('org/d');
  }, 10);
  expect(isThere()).toEqual(['a']);
});
