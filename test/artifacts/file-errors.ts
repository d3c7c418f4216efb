/** Errors of the file system inside this process. */
import { failReads } from '../faults/read-errors.mjs';

/** Errors after which nothing is known of a file: permissions, a bad disk, a network file system, too many open files. */
export const CODES = ['EACCES', 'EIO', 'ESTALE', 'EMFILE'];

/**
 * Lets uses of the paths that match `pattern` fail, while `work` goes on.
 * @param times how many, at most
 * @returns what `work` ends with
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
