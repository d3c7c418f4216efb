/**
 * The Python environment of the torch backend: the interpreter that SELM_PYTHON names, or the environment that `selm torch install` made
 * in the cache folder.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheFolder } from '../../data/cache-folder.ts';
import { InputError } from '../../data/errors.ts';

/** The folder of the package `selm_torch`, for PYTHONPATH, and of the lock files. */
const PYTHON_FOLDER = fileURLToPath(new URL('../../python', import.meta.url));

/** The kinds of environments: one with vLLM and CUDA, one for the CPU. If both are installed, the first is used. */
const ENVIRONMENTS = ['cuda', 'cpu'] as const;
export type EnvironmentKind = (typeof ENVIRONMENTS)[number];

/** A Python interpreter and the versions of its packages. */
export interface TorchEnvironment {
  /** Path or name of the interpreter. */
  python: string;
  torch: string;
  transformers: string;
  peft: string;
  /** Absent if vLLM is not installed. */
  vllm?: string;
}

const REQUIRED = ['torch', 'transformers', 'peft', 'safetensors'];
const PACKAGES = [...REQUIRED, 'vllm'];

export const lockFile = (kind: EnvironmentKind): string => join(PYTHON_FOLDER, `requirements-${kind}.lock`);

/** The folder of an environment in the cache. Its name has the hash of the lock file, so that another lock is another environment. */
export function environmentFolder(kind: EnvironmentKind): string {
  const hash = createHash('sha256')
    .update(readFileSync(lockFile(kind)))
    .digest('hex');
  return join(cacheFolder(), `torch-${kind}-${hash.slice(0, 12)}`);
}

/** The interpreter of an environment. */
export const interpreterIn = (folder: string): string => join(folder, 'bin', 'python');

/**
 * The file that marks an environment as complete. An environment contains its own path, so it cannot be created elsewhere and renamed.
 */
export const completeMark = (folder: string): string => join(folder, 'complete');

/** The interpreter of the first environment that `selm torch install` completed. */
function installedInterpreter(): string | undefined {
  const folder = ENVIRONMENTS.map(environmentFolder).find((folder) => existsSync(completeMark(folder)));
  return folder && interpreterIn(folder);
}

const found = new Map<string, TorchEnvironment>();

/**
 * The environment that the torch backend runs in.
 * @throws InputError when there is none, or when SELM_PYTHON names an interpreter that lacks a package
 */
export function torchEnvironment(): TorchEnvironment {
  const given = process.env['SELM_PYTHON'];
  const python = given ?? installedInterpreter();
  if (python === undefined)
    throw new InputError(
      'PyTorch is not installed for selm: run selm torch install, or set SELM_PYTHON to a Python interpreter with torch, transformers and peft.',
    );
  const known = found.get(python);
  if (known) return known;
  const versions = packageVersions(python);
  const missing = REQUIRED.filter((name) => versions[name] === undefined);
  if (missing.length > 0)
    throw new InputError(
      `${python} lacks ${missing.join(', ')}: ` +
        (given === undefined
          ? 'delete its folder, and run selm torch install.'
          : 'install what is missing there, or unset SELM_PYTHON and run selm torch install.'),
    );
  const { torch, transformers, peft, vllm } = versions;
  const environment = { python, torch, transformers, peft, ...(vllm && { vllm }) };
  found.set(python, environment);
  return environment;
}

/** Versions of the installed packages, from their metadata: no package is imported. */
function packageVersions(python: string): Record<string, string> {
  const script = `
import importlib.metadata as metadata, json
versions = {}
for name in ${JSON.stringify(PACKAGES)}:
    try: versions[name] = metadata.version(name)
    except metadata.PackageNotFoundError: pass
print(json.dumps(versions))`;
  try {
    const printed = execFileSync(python, ['-c', script], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
    return JSON.parse(printed) as Record<string, string>;
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string };
    const reason = stderr?.trim().split('\n').at(-1) || message;
    throw new InputError(
      `${python} does not run (${reason}): set SELM_PYTHON to a Python interpreter, or unset it and run selm torch install.`,
    );
  }
}
