/** What is made once per machine, in the cache: programs, Python environments, models. Processes that need it wait for one another. */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { FileLock } from '../workers/file-lock.ts';
import { cacheFolder } from '../workers/places.ts';

const run = promisify(execFile);
/** Bytes of a compiler's messages. */
const LONGEST_OUTPUT = 2 ** 26;

/** Runs `work` while no other process runs `work` of this name. */
export async function oneAtATime<T>(name: string, work: () => Promise<T>): Promise<T> {
  mkdirSync(cacheFolder(), { recursive: true });
  const lock = await FileLock.exclusive(join(cacheFolder(), `${name}.lock`));
  try {
    return await work();
  } finally {
    lock.release();
  }
}

/**
 * A folder in the cache.
 * @param name includes the version of what is made
 * @param make fills the folder, which is empty. If it fails or is killed, the next call begins again
 */
export function madeOnce(name: string, make: (folder: string) => Promise<unknown>): Promise<string> {
  const folder = join(cacheFolder(), name);
  const complete = join(folder, 'complete');
  if (existsSync(complete)) return Promise.resolve(folder);
  return oneAtATime(name, async () => {
    if (existsSync(complete)) return folder;
    console.error(`Making ${folder}, once.`);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder);
    await make(folder);
    writeFileSync(complete, '');
    return folder;
  });
}

/** A Python environment with these packages. @returns the folder of its programs */
export async function pythonEnvironment(name: string, ...requirements: string[]): Promise<string> {
  const folder = await madeOnce(name, async (environment) => {
    await run('python3', ['-m', 'venv', environment]);
    await run(join(environment, 'bin', 'pip'), ['install', '--quiet', ...requirements]);
  });
  return join(folder, 'bin');
}

/**
 * Programs of Go packages, built from the module proxy.
 * @param programs packages with versions, by the names of the programs
 * @returns the folder of the programs
 * @throws Error with the end of Go's output when one cannot be built
 */
export const goPrograms = (name: string, programs: Record<string, string>): Promise<string> =>
  madeOnce(name, async (folder) => {
    for (const [program, goPackage] of Object.entries(programs)) {
      // Go names a program by its package's folder, such as `server`.
      const built = join(folder, 'built');
      await run('go', ['install', goPackage], { env: { ...process.env, GOBIN: built }, maxBuffer: LONGEST_OUTPUT });
      const [file] = readdirSync(built);
      renameSync(join(built, file), join(folder, program));
    }
  });
