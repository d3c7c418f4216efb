/** The files that a command writes. */
import { statSync, type BigIntStats } from 'node:fs';
import { resolve } from 'node:path';
import { InputError } from '../data/errors.ts';

/**
 * Checks the files that a command writes, before it computes anything.
 * @param outputs paths by flag
 * @param sources what the command reads. Hub ids and names of policies, which are no paths, are never equal to an output
 * @throws InputError for a folder, for a file that is read as well, and for two outputs in one file
 */
export function checkOutputs(outputs: Record<string, string | undefined>, sources: (string | undefined)[] = []): void {
  const given = Object.entries(outputs).flatMap(([flag, path]) => (path === undefined ? [] : [{ flag, path }]));
  for (const [i, { flag, path }] of given.entries()) {
    const file = find(path, flag);
    if (file?.isDirectory()) throw new InputError(`${flag} ${path} is a folder; give a file.`);
    const same = given.slice(0, i).find((other) => resolve(other.path) === resolve(path));
    if (same) throw new InputError(`${same.flag} and ${flag} are both ${path}; give two files.`);
    if (file && sources.some((source) => source !== undefined && isSame(file, find(source))))
      throw new InputError(`${flag} ${path} would overwrite a file that is read; give another file.`);
  }
}

/** Two paths may lead to one file, through links. */
const isSame = (a: BigIntStats, b: BigIntStats | undefined) => a.dev === b?.dev && a.ino === b.ino;

/** @param flag of an output */
function find(path: string, flag?: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true, throwIfNoEntry: false });
  } catch (error) {
    // Reading a source reports its own errors.
    if (flag === undefined) return undefined;
    if ((error as NodeJS.ErrnoException).code !== 'ENOTDIR') throw error;
    throw new InputError(`${flag} ${path} is below a file; give a file in a folder.`);
  }
}
