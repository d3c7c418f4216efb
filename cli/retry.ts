import { Command } from 'commander';
import { parse } from 'yaml';
import { InputError } from '../data/errors.ts';
import { retryRun } from '../workers/decisions.ts';
import type { Settings } from '../workflows/changes.ts';
import { connectServer } from './server.ts';

/** `selm retry`: what failed is done again, with other settings if need be. */
export function retryCommand(): Command {
  return new Command('retry')
    .description('Do again what failed in a run; what is made already is found.')
    .argument('<name>', "The run's name.")
    .option('--round <n>', 'Redo from this round on. Default: what failed.', readRound)
    .option(
      '--set <key=value>',
      'A setting of the retried round and those after it, as in the configuration: optimize.learningRate=1e-5. May be repeated.',
      (text: string, settings: Settings = {}) => ({ ...settings, ...readSetting(text) }),
    )
    .action(async (name: string, { round, set }: { round?: number; set?: Settings }) => {
      await retryRun(await connectServer(), name, round, set);
      console.log(`Run "${name}" tries again.`);
    });
}

function readRound(text: string): number {
  if (/^[1-9]\d*$/.test(text)) return Number(text);
  throw new InputError(`--round ${text} is no round: give 1, 2, ...`);
}

/** Values are YAML, as in the configuration. */
function readSetting(text: string): Settings {
  const [, key, value] = /^([\w.]+)=(.+)$/s.exec(text) ?? [];
  if (key === undefined) throw new InputError(`--set ${text} is no setting: give key=value.`);
  try {
    return { [key]: parse(value) as unknown };
  } catch {
    throw new InputError(`--set ${text} has a value that is not YAML: correct it.`);
  }
}
