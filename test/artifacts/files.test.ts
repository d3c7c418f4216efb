import { mkdirSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { StoreFailed } from '../../artifacts/errors.ts';
import { patiently, unlessAbsent, whileTouched } from '../../artifacts/files.ts';
import { temporaryFolder } from '../temporary.ts';

const folder = temporaryFolder();
afterEach(() => void vi.useRealTimers());

test('a folder in which work goes on is touched every hour, and no longer', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const [used, missing] = ['used', 'missing'].map((name) => join(folder, name));
  mkdirSync(used);
  const dayAgo = new Date(Date.now() - 24 * 3600_000);
  const isOld = () => statSync(used).mtimeMs < Date.now() - 3600_000;
  utimesSync(used, dayAgo, dayAgo);
  const result = await whileTouched([used, missing], async () => {
    vi.advanceTimersByTime(3600_000);
    await expect.poll(isOld).toBe(false);
    return 'done';
  });
  expect([result, vi.getTimerCount()]).toEqual(['done', 0]);
});

/** A function that fails twice, then succeeds. */
const failing = (error: object) => {
  let tries = 0;
  const work = async () => {
    if (++tries < 3) throw Object.assign(new Error('failed'), error);
    return tries;
  };
  return { work, tries: () => tries };
};

describe('work after a step', () => {
  test.each(['EIO', 'EMFILE', 'ENOSPC'])('is tried again after %s', async (code) => {
    expect(await patiently(failing({ code, syscall: 'open' }).work)).toBe(3);
  });

  test('is given up after a minute: the store has failed', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const work = vi.fn(() => Promise.reject(Object.assign(new Error('EIO'), { code: 'EIO', syscall: 'open' })));
    const done = patiently(work).catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(60_000);
    const failure = await done;
    expect(failure).toBeInstanceOf(StoreFailed);
    expect(failure).toMatchObject({ code: 'EIO' });
    expect(work).toHaveBeenCalledTimes(9);
  });

  test.each([{}, { code: 'ENOENT', syscall: 'open' }])('fails at once with %j', async (error) => {
    const { work, tries } = failing(error);
    await expect(patiently(work)).rejects.toThrow('failed');
    expect(tries()).toBe(1);
  });
});

test('what would be in a file is absent; a file that cannot be read is not', async () => {
  writeFileSync(join(folder, 'file'), '');
  const { stat, readFile } = await import('node:fs/promises');
  expect(await unlessAbsent(stat(join(folder, 'file', 'below')))).toBeUndefined();
  expect(await unlessAbsent(stat(join(folder, 'nothing')))).toBeUndefined();
  const failure = await unlessAbsent(readFile(folder)).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(StoreFailed);
  expect(failure).toMatchObject({ code: 'EISDIR' });
});
