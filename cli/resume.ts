import { Command } from 'commander';
import { decide } from '../workers/decisions.ts';
import { resumeUpdate } from '../workflows/decisions.ts';
import { withDecision } from './server.ts';

/** `selm resume`: a paused run goes on. */
export function resumeCommand(): Command {
  return new Command('resume')
    .description('Have a paused run go on.')
    .argument('<name>', "The run's name.")
    .action(async (name: string) => {
      await withDecision((client) => decide(client, name, resumeUpdate));
      console.log(`Run "${name}" goes on.`);
    });
}
