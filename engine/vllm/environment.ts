/** The Python environment that has vLLM: the interpreter that SELM_PYTHON names. */
import { execFileSync } from 'node:child_process';
import { InputError } from '../../data/errors.ts';

/** A Python interpreter, and the version of vLLM that it has. */
export interface VllmEnvironment {
  python: string;
  /** Absent if vLLM is not installed. */
  vllm?: string;
}

const known = new Map<string, VllmEnvironment>();

/** @throws InputError when SELM_PYTHON is not set */
export function vllmEnvironment(): VllmEnvironment {
  const python = process.env['SELM_PYTHON'];
  if (python === undefined)
    throw new InputError('sample.backend: vllm needs a Python that has vLLM: set SELM_PYTHON to its interpreter.');
  const found = known.get(python) ?? { python, ...versionIn(python) };
  known.set(python, found);
  return found;
}

function versionIn(python: string): Pick<VllmEnvironment, 'vllm'> {
  const script = 'from importlib.metadata import version; print(version("vllm"))';
  try {
    return {
      vllm: execFileSync(python, ['-c', script], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim(),
    };
  } catch {
    return {};
  }
}
