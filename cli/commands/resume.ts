import { Command } from 'commander';
import { DECISION_WORDS } from '../../report/decisions.ts';
import { decide } from '../../workers/runs/decisions.ts';
import { resumeUpdate } from '../../workflows/decisions.ts';
import { operatorName } from '../operator.ts';
import { withDecision } from '../server.ts';

/** `selm resume`: resume a paused run. */
export function resumeCommand(): Command {
  return new Command('resume')
    .description(DECISION_WORDS.resume.about)
    .argument('<name>', 'Name of the run.')
    .action(async (name: string) => {
      await withDecision((client) => decide(client, name, resumeUpdate, { by: operatorName() }));
      console.log(DECISION_WORDS.resume.done(name));
    });
}
