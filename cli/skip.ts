import { Command } from 'commander';
import { decide } from '../workers/decisions.ts';
import { skipUpdate } from '../workflows/decisions.ts';
import { withDecision } from './server.ts';

/** `selm skip`: a failed round is given up. */
export function skipCommand(): Command {
  return new Command('skip')
    .description('Give up the failed round: the next goes on from the last accepted policy.')
    .argument('<name>', "The run's name.")
    .action(async (name: string) => {
      await withDecision((client) => decide(client, name, skipUpdate));
      console.log(`Run "${name}" skips the round.`);
    });
}
