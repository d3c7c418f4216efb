import { Command } from 'commander';
import { InputError } from '../data/errors.ts';
import { hasServer } from '../workers/connection.ts';
import { retryRun } from '../workers/decisions.ts';
import type { Settings } from '../config/changes.ts';
import { withDecision } from './server.ts';
import { setOption } from './set-option.ts';

/** `selm retry`: retry what failed in a run, with changed settings if given. */
export function retryCommand(): Command {
  return new Command('retry')
    .description('Retry what failed in a run. Cached artifacts are reused.')
    .argument('<name>', 'Name of the run.')
    .option('--round <n>', 'Retry from this round on. Default: the failed step.', readRound)
    .addOption(setOption('Change a setting for the retried round and all later rounds.'))
    .action(async (name: string, { round, set }: { round?: number; set?: Settings }) => {
      const filesAreHere = !hasServer();
      await withDecision((client) => retryRun(client, name, round, set, filesAreHere));
      console.log(`Run "${name}" is retried.`);
    });
}

function readRound(text: string): number {
  if (/^[1-9]\d*$/.test(text)) return Number(text);
  throw new InputError(`--round ${text} is not a round: give 1, 2, ...`);
}
