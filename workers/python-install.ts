/** Makes a Python environment in the cache folder from its lock file: of the torch backend (`selm torch install`), or of a benchmark. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { cacheFolder } from '../data/cache-folder.ts';
import { InputError, oneSentence } from '../data/errors.ts';
import {
  completeMark,
  environmentFolder,
  interpreterIn,
  lockFile,
  type EnvironmentName,
} from '../engine/python-environments.ts';
import { FileLock } from './file-lock.ts';

/** pip, the network or the disk failed. */
class InstallFailed extends Error {
  override readonly name = 'InstallFailed';

  constructor(message: string) {
    super(oneSentence(message));
  }
}

/** The minor versions of Python 3 that vLLM 0.33 supports, and all other packages too. */
const PYTHON_MINORS = [11, 14];
const INTERPRETERS = ['python3', 'python3.14', 'python3.13', 'python3.12', 'python3.11'];

/**
 * Makes the environment, unless it is complete. An interrupted installation is made again from the start; pip keeps what it downloaded.
 * @param command the command that installs, for messages
 * @param say reports what is done; pip's own output goes to standard error
 * @returns the interpreter, and whether the environment was made now
 * @throws InputError when this machine has no suitable Python, or another process is installing; InstallFailed otherwise
 */
export async function installEnvironment(
  name: EnvironmentName,
  command: string,
  say: (message: string) => void,
): Promise<{ python: string; made: boolean }> {
  const folder = environmentFolder(name);
  const python = interpreterIn(folder);
  if (existsSync(completeMark(folder))) return { python, made: false };
  const base = await suitablePython(command);
  mkdirSync(cacheFolder(), { recursive: true });
  const lock = FileLock.tryExclusive(`${folder}.lock`);
  if (!lock) throw new InputError(`Another process installs ${folder}: wait until it ends.`);
  try {
    say(`Installing ${lockFile(name)} into ${folder}, once.`);
    rmSync(folder, { recursive: true, force: true });
    await step(base, ['-m', 'venv', folder], command);
    await step(python, ['-m', 'pip', 'install', '--disable-pip-version-check', '-r', lockFile(name)], command);
    writeFileSync(completeMark(folder), '');
  } finally {
    lock.release();
  }
  return { python, made: true };
}

/** An interpreter on PATH of a version that all packages support. */
async function suitablePython(command: string): Promise<string> {
  const script = 'import sys; print(*sys.version_info[:3])';
  let other: string | undefined;
  for (const python of INTERPRETERS) {
    const printed = await promisify(execFile)(python, ['-c', script]).catch(() => undefined);
    if (!printed) continue;
    const version = printed.stdout.trim().split(' ').map(Number);
    if (version[0] === 3 && version[1] >= PYTHON_MINORS[0] && version[1] <= PYTHON_MINORS[1]) return python;
    other ??= `${python} is ${version.join('.')}`;
  }
  throw new InputError(
    `${command} needs Python ${PYTHON_MINORS.map((minor) => `3.${minor}`).join(' to ')} on PATH, and ` +
      `${other ?? 'there is no python3'}: install one of these versions, with its venv module.`,
  );
}

/** Number of characters of pip's error messages that are kept: the last ones name the reason. */
const KEPT = 20_000;

/** Runs a step. Its output goes to standard error. @throws InstallFailed with its last error message */
async function step(program: string, args: string[], command: string): Promise<void> {
  const child = spawn(program, args, { stdio: ['ignore', 2, 'pipe'] });
  let errors = '';
  child.stderr!.on('data', (chunk: Buffer) => {
    process.stderr.write(chunk);
    errors = (errors + chunk.toString()).slice(-KEPT);
  });
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  if (code === 0) return;
  const lines = errors.split('\n').filter((line) => line.trim() !== '');
  const reason = lines.findLast((line) => line.startsWith('ERROR: ')) ?? lines.at(-1) ?? `ended by ${signal ?? code}`;
  throw new InstallFailed(
    `The Python environment cannot be installed (${reason.replace('ERROR: ', '').trim()}): check the network connection, ` +
      `PIP_INDEX_URL and free disk space, and run ${command} again.`,
  );
}
