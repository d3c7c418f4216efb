/** Simulates file system errors in this process. */
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
