/** The Python environment of the torch backend. */
import { execFileSync } from 'node:child_process';
import { InputError } from '../../data/errors.ts';

/** A Python interpreter and the versions of its packages. */
export interface TorchEnvironment {
  python: string;
  torch: string;
  transformers: string;
  vllm?: string;
}

let known: TorchEnvironment | undefined;

/** @throws InputError when there is none */
export function torchEnvironment(): TorchEnvironment {
  const python = process.env['SELM_PYTHON'];
  if (!python)
    throw new InputError('PyTorch is not installed for selm: set SELM_PYTHON to a Python interpreter with torch.');
  if (known?.python === python) return known;
  const script = "import importlib.metadata as m; print(m.version('torch'), m.version('transformers'))";
  const [torch, transformers] = execFileSync(python, ['-c', script], { encoding: 'utf8' }).trim().split(' ');
  return (known = { python, torch, transformers });
}
