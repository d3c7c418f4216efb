/** What locks on files say where there are none. That they hold is in dev-server.test.ts. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { InputError } from '../../data/errors.ts';
import { FileLock } from '../../workers/file-lock.ts';
import { temporaryFolder } from '../temporary.ts';

// No file system without locks can be had everywhere: NFS without its lock service answers so.
vi.mock('fs-native-extensions', () => ({
  tryLock() {
    throw new Error('ENOLCK: no locks available');
  },
}));

const folder = temporaryFolder();

function refusal(file: string): Error {
  try {
    FileLock.tryExclusive(file);
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    return error as Error;
  }
  throw new Error('It was not refused.');
}

test('a file system without locks is refused in one sentence', () => {
  const file = join(folder, 'server.lock');
  expect(refusal(file).message).toBe(
    `${file} cannot be locked (ENOLCK: no locks available): set SELM_HOME to a folder on a file system that supports locks, such as a local disk.`,
  );
});

test('so is a file that cannot be opened', () => {
  const file = join(folder, 'folder');
  mkdirSync(file);
  expect(refusal(file).message).toContain(`${file} cannot be opened (EISDIR`);
});
