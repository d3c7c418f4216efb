import { Command } from 'commander';
import { DECISION_WORDS } from '../../report/decisions.ts';
import { decide } from '../../workers/runs/decisions.ts';
import { skipUpdate } from '../../workflows/decisions.ts';
import { operatorName } from '../operator.ts';
import { withDecision } from '../server.ts';

/** `selm skip`: skip a failed round. */
export function skipCommand(): Command {
  return new Command('skip')
    .description(DECISION_WORDS.skip.about)
    .argument('<name>', 'Name of the run.')
    .action(async (name: string) => {
      await withDecision((client) => decide(client, name, skipUpdate, { by: operatorName() }));
      console.log(DECISION_WORDS.skip.done(name));
    });
}
