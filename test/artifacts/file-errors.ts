/** Simulates file system errors in this process. */
import promises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { expect } from 'vitest';
import { failReads } from '../faults/read-errors.mjs';

/** Errors that do not show whether a file exists: permissions, a bad disk, a network file system, too many open files. */
export const CODES = ['EACCES', 'EIO', 'ESTALE', 'EMFILE'];

/**
 * Makes accesses to paths that match `pattern` fail while `work` runs.
 * @param times maximum number of failures
 * @returns the result of `work`
 */
export async function withFileErrors<T>(
  code: string,
  pattern: RegExp,
  work: () => Promise<T>,
  times = Infinity,
): Promise<T> {
  const restore = failReads((path) => (pattern.test(path) && times-- > 0 ? code : undefined));
  try {
    return await work();
  } finally {
    restore();
  }
}

/**
 * Makes the first write of a file whose path matches `pattern` fail, after all its data has been taken, while `work` runs.
 * @returns the result of `work`
 */
export async function withFailedWrite<T>(code: string, pattern: RegExp, work: () => Promise<T>): Promise<T> {
  const { writeFile } = promises;
  let failed = false;
  promises.writeFile = async (path, data, ...options) => {
    await writeFile(path, data, ...options);
    if (failed || !pattern.test(String(path))) return;
    failed = true;
    throw Object.assign(new Error(`${code}: injected, write '${String(path)}'`), { code, syscall: 'write' });
  };
  syncBuiltinESMExports();
  try {
    const result = await work();
    expect(failed).toBe(true);
    return result;
  } finally {
    promises.writeFile = writeFile;
    syncBuiltinESMExports();
  }
}
