/** Checks a run's output folder, which a later run replaces. */
import { realpathSync, statSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative } from 'node:path';
import { exists } from '../data/file-errors.ts';

/** The file that marks a folder as a run's output: the origin of the policy, and the files that the run has written. */
export const LINEAGE = 'selm.json';

/** Why a run must not replace a folder, as a sentence. Undefined if it does not exist, is empty, or has nothing but a run's output. */
export async function outputProblem(folder: string): Promise<string | undefined> {
  if (!exists(folder)) return undefined;
  if (!statSync(folder).isDirectory()) return `${folder} is a file: configure another output folder.`;
  const found = await filesIn(folder);
  if (found.length === 0) return undefined;
  if (!found.includes(LINEAGE))
    return `${folder} is not empty and is not the output of a run: configure another output folder.`;
  const written = await writtenFiles(folder);
  const foreign = written && found.find((file) => file !== LINEAGE && !written.includes(file));
  return foreign === undefined
    ? undefined
    : `${folder} has ${foreign}, which no run has written: move it, or configure another output folder.`;
}

/** The files in a folder and its subfolders, as paths relative to it. */
export async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true });
  return entries.filter((entry) => !statSync(join(folder, entry)).isDirectory()).sort();
}

/** The files that a run has written into its output folder; undefined if they are not recorded: in an unfinished one, or an earlier version's. */
async function writtenFiles(folder: string): Promise<string[] | undefined> {
  const files = (await readLineage(folder))?.files;
  return Array.isArray(files) ? files : undefined;
}

/** The address of the policy in a run's output folder. Undefined in any other folder, and for a path that is not a folder. */
export async function publishedPolicy(folder: string): Promise<unknown> {
  return (await readLineage(folder))?.policy;
}

async function readLineage(folder: string): Promise<{ files?: unknown; policy?: unknown } | undefined> {
  try {
    return JSON.parse(await readFile(join(folder, LINEAGE), 'utf8')) as { files?: unknown; policy?: unknown };
  } catch {
    return undefined;
  }
}

/**
 * The first of the paths that replacing the output folder would delete, or that lies around it. Hub ids and names are no paths.
 * @param paths absolute, or not a path
 */
export function sharedWithOutput(output: string, paths: (string | undefined)[]): string | undefined {
  const folder = realPath(output);
  return paths.find((path) => {
    if (path === undefined || !isAbsolute(path)) return false;
    const other = realPath(path);
    return isInside(other, folder) || isInside(folder, other);
  });
}

const isInside = (path: string, folder: string) => {
  const way = relative(folder, path);
  return way.split(/[\\/]/)[0] !== '..' && !isAbsolute(way);
};

/** The path without symbolic links, also if its end does not exist. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const parent = dirname(path);
    return parent === path ? path : join(realPath(parent), basename(path));
  }
}
