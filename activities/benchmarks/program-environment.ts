/** The Python environments of the programs that measure benchmarks. */
import { InputError } from '../../data/errors.ts';
import { completeInterpreter, packageVersions } from '../../engine/python-environments.ts';

const INSTALL = 'run selm benchmarks install on this worker';

/** The program's name for people, its Python package, and what to do without it. */
const PROGRAMS = {
  'lm-eval': {
    title: 'lm-evaluation-harness',
    module: 'lm_eval',
    /** Names another interpreter. */
    variable: 'SELM_LM_EVAL_PYTHON',
    advice: `${INSTALL}, or set SELM_LM_EVAL_PYTHON to a Python interpreter with lm_eval[api].`,
  },
  'alpaca-eval': { title: 'alpaca_eval', module: 'alpaca_eval', variable: undefined, advice: `${INSTALL}.` },
};

interface ProgramEnvironment {
  python: string;
  /** Of the program. */
  version: string;
}

const found = new Map<string, ProgramEnvironment>();

/** The environment of a program, which `selm benchmarks install` made. @throws InputError when there is none */
export function programEnvironment(name: keyof typeof PROGRAMS): ProgramEnvironment {
  const { title, module, variable, advice } = PROGRAMS[name];
  const given = variable && process.env[variable];
  const python = given ?? completeInterpreter([name]);
  if (python === undefined) throw new InputError(`${title} is not installed for selm: ${advice}`);
  const key = JSON.stringify([name, python]);
  const known = found.get(key);
  if (known) return known;
  const version = versionIn(python, module, advice);
  if (version === undefined) throw new InputError(`${python} has no ${module}: ${advice}`);
  const environment = { python, version };
  found.set(key, environment);
  return environment;
}

function versionIn(python: string, module: string, advice: string): string | undefined {
  try {
    return packageVersions(python, [module])[module];
  } catch (error) {
    throw new InputError(`${python} does not run (${(error as Error).message}): ${advice}`);
  }
}
