import { Command } from 'commander';
import { decide } from '../workers/decisions.ts';
import { resumeUpdate } from '../workflows/decisions.ts';
import { withDecision } from './server.ts';

/** `selm resume`: resume a paused run. */
export function resumeCommand(): Command {
  return new Command('resume')
    .description('Resume a paused run.')
    .argument('<name>', 'Name of the run.')
    .action(async (name: string) => {
      await withDecision((client) => decide(client, name, resumeUpdate));
      console.log(`Run "${name}" is resumed.`);
    });
}
