/** Checks a run's output folder, which a later run replaces. */
import { realpathSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, relative } from 'node:path';

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
