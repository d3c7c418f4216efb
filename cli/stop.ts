import { Command } from 'commander';
import { decide } from '../workers/decisions.ts';
import { stopUpdate } from '../workflows/decisions.ts';
import { withDecision } from './server.ts';

/** `selm stop`: stop a run after the step in progress. */
export function stopCommand(): Command {
  return new Command('stop')
    .description('Stop a run after the step in progress; its last accepted policy is released, as when a run ends.')
    .argument('<name>', 'Name of the run.')
    .action(async (name: string) => {
      await withDecision((client) => decide(client, name, stopUpdate));
      console.log(`Run "${name}" stops after the step in progress.`);
    });
}
