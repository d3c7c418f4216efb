import { Command } from 'commander';
import { decide } from '../workers/decisions.ts';
import { pauseUpdate } from '../workflows/decisions.ts';
import { withDecision } from './server.ts';

/** `selm pause`: pause a run after the step in progress. */
export function pauseCommand(): Command {
  return new Command('pause')
    .description('Pause a run after the step in progress, until selm resume.')
    .argument('<name>', 'Name of the run.')
    .action(async (name: string) => {
      await withDecision((client) => decide(client, name, pauseUpdate));
      console.log(`Run "${name}" pauses after the step in progress: selm resume ${name}`);
    });
}
