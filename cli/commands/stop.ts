import { Command } from 'commander';
import { DECISION_WORDS } from '../../report/decisions.ts';
import { decide } from '../../workers/runs/decisions.ts';
import { stopUpdate } from '../../workflows/decisions.ts';
import { operatorName } from '../operator.ts';
import { withDecision } from '../server.ts';

/** `selm stop`: stop a run after the step in progress. */
export function stopCommand(): Command {
  return new Command('stop')
    .description(DECISION_WORDS.stop.about)
    .argument('<name>', 'Name of the run.')
    .action(async (name: string) => {
      await withDecision((client) => decide(client, name, stopUpdate, { by: operatorName() }));
      console.log(DECISION_WORDS.stop.done(name));
    });
}
