import { Command } from 'commander';
import { decide } from '../workers/decisions.ts';
import { skipUpdate } from '../workflows/decisions.ts';
import { withDecision } from './server.ts';

/** `selm skip`: skip a failed round. */
export function skipCommand(): Command {
  return new Command('skip')
    .description('Skip the failed round: the next round starts from the last accepted policy.')
    .argument('<name>', 'Name of the run.')
    .action(async (name: string) => {
      await withDecision((client) => decide(client, name, skipUpdate));
      console.log(`Run "${name}" skips the round.`);
    });
}
