/** The Python environments of the programs that measure benchmarks. */
import { benchmarkOf, type BenchmarkEntry } from '../../config/benchmarks.ts';
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

/**
 * The programs of these benchmarks that are not installed on this machine.
 * @returns a sentence for each
 */
export function missingPrograms(benchmarks: BenchmarkEntry[]): string[] {
  const names = benchmarks.map((entry) => benchmarkOf(entry).name);
  return (Object.keys(PROGRAMS) as (keyof typeof PROGRAMS)[]).flatMap((name) => {
    if (!names.includes(name)) return [];
    try {
      programEnvironment(name);
      return [];
    } catch (error) {
      return [(error as Error).message];
    }
  });
}

function versionIn(python: string, module: string, advice: string): string | undefined {
  try {
    return packageVersions(python, [module])[module];
  } catch (error) {
    throw new InputError(`${python} does not run (${(error as Error).message}): ${advice}`);
  }
}
