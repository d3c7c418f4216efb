import { Argument, Command } from 'commander';
import { installEnvironment } from '../../workers/python-install.ts';
import { jsonOption, summarize } from '../step.ts';

const INSTALL = 'selm benchmarks install';
const PROGRAMS = ['lm-eval', 'alpaca-eval'] as const;
type Program = (typeof PROGRAMS)[number];

/** `selm benchmarks`: the Python environments of benchmarks that other programs measure. */
export function benchmarksCommand(): Command {
  const benchmarks = new Command('benchmarks').description('The benchmarks of evaluate.benchmarks.');
  benchmarks
    .command('install')
    .description(
      'Install the programs of benchmarks (lm-evaluation-harness, alpaca_eval) into environments in the cache folder (SELM_CACHE), ' +
        'once: on each worker that computes benchmarks. It needs Python 3.11 to 3.14 with venv.',
    )
    .addArgument(new Argument('[programs...]', 'The programs. Default: all.').choices(PROGRAMS))
    .addOption(jsonOption())
    .action(async (programs: Program[], flags: { json?: boolean }) => {
      const installed = [];
      for (const name of programs.length > 0 ? programs : PROGRAMS) {
        const { python, made } = await installEnvironment(name, INSTALL, (message) => console.error(message));
        installed.push({ name, python, made });
      }
      const sentences = installed.map(
        ({ python, made }) => `${python} ${made ? 'is installed' : 'is already installed'}.`,
      );
      summarize(flags, { installed }, sentences.join('\n'));
    });
  return benchmarks;
}
