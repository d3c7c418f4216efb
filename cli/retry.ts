import { Command } from 'commander';
import { InputError } from '../data/errors.ts';
import { hasServer } from '../workers/connection.ts';
import { retryRun } from '../workers/decisions.ts';
import type { Settings } from '../config/changes.ts';
import { withDecision } from './server.ts';
import { setOption } from './set-option.ts';

/** `selm retry`: what failed is done again, with other settings if need be. */
export function retryCommand(): Command {
  return new Command('retry')
    .description('Do again what failed in a run; what is made already is found.')
    .argument('<name>', "The run's name.")
    .option('--round <n>', 'Redo from this round on. Default: what failed.', readRound)
    .addOption(setOption('A setting of the retried round and those after it.'))
    .action(async (name: string, { round, set }: { round?: number; set?: Settings }) => {
      const filesAreHere = !hasServer();
      await withDecision((client) => retryRun(client, name, round, set, filesAreHere));
      console.log(`Run "${name}" tries again.`);
    });
}

function readRound(text: string): number {
  if (/^[1-9]\d*$/.test(text)) return Number(text);
  throw new InputError(`--round ${text} is no round: give 1, 2, ...`);
}
