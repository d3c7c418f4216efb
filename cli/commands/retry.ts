import { Command } from 'commander';
import { DECISION_WORDS } from '../../report/decisions.ts';
import { hasServer } from '../../workers/temporal/connection.ts';
import { retryRun } from '../../workers/runs/decisions.ts';
import type { Settings } from '../../config/changes.ts';
import { operatorName } from '../operator.ts';
import { readRound } from '../round-argument.ts';
import { withDecision } from '../server.ts';
import { setOption } from '../set-option.ts';

/** `selm retry`: retry what failed in a run, with changed settings if given. */
export function retryCommand(): Command {
  return new Command('retry')
    .description(DECISION_WORDS.retry.about)
    .argument('<name>', 'Name of the run.')
    .option('--round <n>', 'Retry from this round on. Default: the failed step.', readRound)
    .addOption(setOption('Change a setting for the retried round and all later rounds.'))
    .action(async (name: string, { round, set }: { round?: number; set?: Settings }) => {
      const filesAreHere = !hasServer();
      const request = { by: operatorName(), ...(round !== undefined && { round }), ...(set && { settings: set }) };
      await withDecision((client) => retryRun(client, name, request, filesAreHere));
      console.log(DECISION_WORDS.retry.done(name));
    });
}
