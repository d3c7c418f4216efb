/** The folder for the result of a job. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { InputError } from '../../data/errors.ts';

/**
 * Checks that a folder is new or empty.
 * @param content what is written into it
 * @throws InputError when it is not empty, or a file
 */
export function checkNewFolder(folder: string, content: string): void {
  if (!existsSync(folder)) return;
  const problem = !statSync(folder).isDirectory() ? 'a file' : readdirSync(folder).length > 0 ? 'not empty' : undefined;
  if (problem !== undefined) throw new InputError(`${folder} is ${problem}: give a new folder for ${content}.`);
}
