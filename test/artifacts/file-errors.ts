/** Errors of the file system inside this process, as Linux reports them. Permissions would not do: they do not bind root. */
import fs from 'node:fs';
import promises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { Readable } from 'node:stream';

/** Errors after which nothing is known of a file: permissions, a bad disk, a network file system, too many open files. */
export const CODES = ['EACCES', 'EIO', 'ESTALE', 'EMFILE'];

/**
 * Lets every use of the paths that match `pattern` fail, while `work` goes on.
 * @returns what `work` ends with
 */
export async function withFileErrors<T>(code: string, pattern: RegExp, work: () => Promise<T>): Promise<T> {
  const failure = (path: unknown) =>
    pattern.test(String(path)) ? Object.assign(new Error(`${code}: injected, '${path}'`), { code, path }) : undefined;
  const { readFile, readdir, stat, open } = promises;
  const { createReadStream } = fs;
  const failing = <F extends (...given: never[]) => unknown>(original: F) =>
    (async (...given: Parameters<F>) => {
      const error = failure(given[0]);
      if (error) throw error;
      return original(...given);
    }) as unknown as F;
  Object.assign(promises, { readFile: failing(readFile), readdir: failing(readdir), stat: failing(stat), open: failing(open) }); // prettier-ignore
  fs.createReadStream = ((path: string, options: object) => {
    const error = failure(path);
    return error ? new Readable({ read() { this.destroy(error); } }) : createReadStream(path, options); // prettier-ignore
  }) as typeof createReadStream;
  syncBuiltinESMExports();
  try {
    return await work();
  } finally {
    Object.assign(promises, { readFile, readdir, stat, open });
    fs.createReadStream = createReadStream;
    syncBuiltinESMExports();
  }
}
