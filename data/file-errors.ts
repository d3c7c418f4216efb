/** Errors of the file system: the user's to mend, or of this moment. Neither is ever taken for a missing file. */
import { statSync } from 'node:fs';
import { InputError } from './errors.ts';

/** Errors that the next try meets again. */
const LASTING = ['ENOENT', 'EACCES', 'EPERM', 'EISDIR', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG'];

/** The store's own files: whatever the error, the next try begins with opening the artifact, or looking for the checkpoint. */
const STORE_FILE = /[\\/](?:objects|checkpoints)[\\/][0-9a-f]{64}[\\/]|[\\/]unfinished[\\/][0-9a-f-]{36}[\\/]/;

/** A file cannot be read now. Nothing follows from it for what it holds. */
export class ReadFailed extends Error {
  override readonly name = 'ReadFailed';
}

/**
 * What a file's reader throws: an InputError where the user has to mend it, else an error after which a step is tried again.
 * @param error of the file system
 */
export function readFailure(path: string, error: unknown): InputError | ReadFailed {
  const { code = (error as Error).message } = error as NodeJS.ErrnoException;
  if (!LASTING.includes(code) || STORE_FILE.test(path)) {
    return new ReadFailed(`${path} cannot be read (${code}).`, { cause: error });
  }
  if (code === 'ENOENT') return new InputError(`${path} does not exist; check the path.`);
  return new InputError(`${path} cannot be read (${code}); it must be a file that you may read.`);
}

/** Whether there is such a file or folder. Unlike existsSync, it does not take one that cannot be read for absent. */
export function exists(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return false;
    throw readFailure(path, error);
  }
}
