import { Command } from 'commander';
import { decide } from '../workers/decisions.ts';
import { pauseUpdate } from '../workflows/decisions.ts';
import { withDecision } from './server.ts';

/** `selm pause`: a run waits after the step under way. */
export function pauseCommand(): Command {
  return new Command('pause')
    .description('Have a run wait after the step under way, until selm resume.')
    .argument('<name>', "The run's name.")
    .action(async (name: string) => {
      await withDecision((client) => decide(client, name, pauseUpdate));
      console.log(`Run "${name}" pauses after the step under way: selm resume ${name}`);
    });
}
