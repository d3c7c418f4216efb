/** Distinguishes permanent file system errors, which are bad input, from temporary ones. */
import { statSync } from 'node:fs';
import { InputError, ReadFailed } from './errors.ts';

/** Codes of errors that a retry does not resolve. */
const LASTING = ['ENOENT', 'EACCES', 'EPERM', 'EISDIR', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG'];

/** Files of the artifact store. A retry opens the artifact or the checkpoint again, so their errors are temporary. */
const STORE_FILE = /[\\/](?:objects|checkpoints)[\\/][0-9a-f]{64}[\\/]|[\\/]unfinished[\\/][0-9a-f-]{36}[\\/]/;

/**
 * The error to throw for a file: an InputError that the user has to correct, or a ReadFailed, after which the step is retried.
 * @param error of the file system
 * @param advice what to do, such as 'give a YAML file'. Default: depends on the error
 */
export function readFailure(path: string, error: unknown, advice?: string): InputError | ReadFailed {
  const { code = (error as Error).message } = error as NodeJS.ErrnoException;
  if (!LASTING.includes(code) || STORE_FILE.test(path)) {
    return new ReadFailed(`${path} cannot be read (${code}).`, { cause: error });
  }
  if (advice !== undefined) return new InputError(`${path} cannot be read (${code}); ${advice}.`);
  if (code === 'EISDIR') return new InputError(`${path} is a folder; give a file.`);
  if (code === 'ENOENT') return new InputError(`${path} does not exist; check the path.`);
  return new InputError(`${path} cannot be read (${code}); it must be a file that you may read.`);
}

/** Whether a file or folder exists. Unlike existsSync, throws if that cannot be determined. */
export function exists(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return false;
    throw readFailure(path, error);
  }
}
