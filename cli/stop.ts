import { Command } from 'commander';
import { decide } from '../workers/decisions.ts';
import { stopUpdate } from '../workflows/decisions.ts';
import { withDecision } from './server.ts';

/** `selm stop`: a run is ended in an orderly way. */
export function stopCommand(): Command {
  return new Command('stop')
    .description('End a run after the step under way; its last accepted policy is kept, and published as at every end.')
    .argument('<name>', "The run's name.")
    .action(async (name: string) => {
      await withDecision((client) => decide(client, name, stopUpdate));
      console.log(`Run "${name}" ends after the step under way.`);
    });
}
