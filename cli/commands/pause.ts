import { Command } from 'commander';
import { DECISION_WORDS } from '../../report/decisions.ts';
import { decide } from '../../workers/runs/decisions.ts';
import { pauseUpdate } from '../../workflows/decisions.ts';
import { operatorName } from '../operator.ts';
import { withDecision } from '../server.ts';

/** `selm pause`: pause a run after the step in progress. */
export function pauseCommand(): Command {
  return new Command('pause')
    .description(DECISION_WORDS.pause.about)
    .argument('<name>', 'Name of the run.')
    .action(async (name: string) => {
      await withDecision((client) => decide(client, name, pauseUpdate, { by: operatorName() }));
      console.log(DECISION_WORDS.pause.done(name));
    });
}
