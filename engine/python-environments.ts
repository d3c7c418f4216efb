/** Python environments in the cache folder. Each is made from its lock file, once, by a command `selm … install`. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheFolder } from '../data/cache-folder.ts';

/** The folder of the package `selm_torch`, for PYTHONPATH, and of the lock files. */
export const PYTHON_FOLDER = fileURLToPath(new URL('../python', import.meta.url));

/** Lock files by the environment's name. */
const LOCKS = {
  'torch-cuda': 'requirements-cuda.lock',
  'torch-cpu': 'requirements-cpu.lock',
  'lm-eval': 'requirements-lm-eval.lock',
  'alpaca-eval': 'requirements-alpaca-eval.lock',
};
export type EnvironmentName = keyof typeof LOCKS;

/** The lock file of an environment's packages. */
export const lockFile = (name: EnvironmentName): string => join(PYTHON_FOLDER, LOCKS[name]);

/** The folder of an environment in the cache. Its name has the hash of the lock file, so that another lock is another environment. */
export function environmentFolder(name: EnvironmentName): string {
  const hash = createHash('sha256')
    .update(readFileSync(lockFile(name)))
    .digest('hex');
  return join(cacheFolder(), `${name}-${hash.slice(0, 12)}`);
}

/** The interpreter of an environment. */
export const interpreterIn = (folder: string): string => join(folder, 'bin', 'python');

/**
 * The file that marks an environment as complete. An environment contains its own path, so it cannot be created elsewhere and renamed.
 */
export const completeMark = (folder: string): string => join(folder, 'complete');

/** The interpreter of the first of these environments that is complete. */
export function completeInterpreter(names: readonly EnvironmentName[]): string | undefined {
  const folder = names.map(environmentFolder).find((folder) => existsSync(completeMark(folder)));
  return folder && interpreterIn(folder);
}

/**
 * Versions of the installed packages among `names`, from their metadata: no package is imported.
 * @throws Error with the last line of what the interpreter printed, if it does not run
 */
export function packageVersions(python: string, names: readonly string[]): Record<string, string> {
  const script = `
import importlib.metadata as metadata, json
versions = {}
for name in ${JSON.stringify(names)}:
    try: versions[name] = metadata.version(name)
    except metadata.PackageNotFoundError: pass
print(json.dumps(versions))`;
  try {
    const printed = execFileSync(python, ['-c', script], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
    return JSON.parse(printed) as Record<string, string>;
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string };
    throw new Error(stderr?.trim().split('\n').at(-1) || message, { cause: error });
  }
}
