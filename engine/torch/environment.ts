/**
 * The Python environment of the torch backend: the interpreter that SELM_PYTHON names, or the environment that `selm torch install` made
 * in the cache folder.
 */
import { InputError } from '../../data/errors.ts';
import { completeInterpreter, packageVersions } from '../python-environments.ts';

/** One with vLLM and CUDA, one for the CPU. If both are installed, the first is used. */
const ENVIRONMENTS = ['torch-cuda', 'torch-cpu'] as const;

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

/** The interpreter of the first environment that `selm torch install` completed. */
export const installedInterpreter = (): string | undefined => completeInterpreter(ENVIRONMENTS);

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
  const versions = versionsIn(python);
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

function versionsIn(python: string): Record<string, string> {
  try {
    return packageVersions(python, PACKAGES);
  } catch (error) {
    throw new InputError(
      `${python} does not run (${(error as Error).message}): set SELM_PYTHON to a Python interpreter, or unset it and run selm torch install.`,
    );
  }
}
