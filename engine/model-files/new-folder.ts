/** The folder for the result of a job. */
import { accessSync, constants, readdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { InputError } from '../../data/errors.ts';
import { exists } from '../../data/file-errors.ts';

/**
 * Checks that a folder is new or empty, and that it can be written: before a job computes what would be lost.
 * @param content what is written into it
 * @throws InputError when it is not empty, a file, below a file, or in a folder without permission to write
 */
export function checkNewFolder(folder: string, content: string): void {
  const whole = resolve(folder);
  const existing = nearest(whole);
  const problem = problemOf(existing, existing === whole);
  if (problem !== undefined) throw new InputError(`${folder} is ${problem}: give a new folder for ${content}.`);
}

/** The path itself if it exists, or the closest folder above it that does. */
const nearest = (path: string): string => (exists(path) ? path : nearest(dirname(path)));

function problemOf(existing: string, isFolder: boolean): string | undefined {
  if (!statSync(existing).isDirectory()) return isFolder ? 'a file' : `below the file ${existing}`;
  if (isFolder && readdirSync(existing).length > 0) return 'not empty';
  try {
    accessSync(existing, constants.W_OK);
    return undefined;
  } catch (error) {
    const where = isFolder ? '' : `in ${existing}, which is `;
    return `${where}not writable (${(error as NodeJS.ErrnoException).code})`;
  }
}
