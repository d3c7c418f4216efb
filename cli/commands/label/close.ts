import type { Client } from '@temporalio/client';
import { Command } from 'commander';
import { InputError } from '../../../data/errors.ts';
import { DECISION_WORDS } from '../../../report/decisions.ts';
import { decide } from '../../../workers/runs/decisions.ts';
import { NoRun } from '../../../workers/temporal/errors.ts';
import { lastVoting } from '../../../workers/voting/last-voting.ts';
import { closeVoting } from '../../../workers/voting/voting.ts';
import { closeVotingUpdate } from '../../../workflows/people/decisions.ts';
import { operatorName } from '../../operator.ts';
import { withDecision } from '../../server.ts';

/** `selm label close`: go on with the votes that are in. */
export function labelCloseCommand(): Command {
  return new Command('close')
    .description(DECISION_WORDS['close voting'].about)
    .argument('<name>', 'Name of the run, or of the voting that selm label --by people prints.')
    .action(async (name: string) => {
      let done = DECISION_WORDS['close voting'].done(name);
      await withDecision(async (client) => {
        try {
          await decide(client, name, closeVotingUpdate, { by: operatorName() });
        } catch (error) {
          if (!(error instanceof NoRun)) throw error;
          await closeFile(client, name, error);
          done = `"${name}" goes on with the votes that are in: selm label --by people writes their preferences.`;
        }
      });
      console.log(done);
    });
}

/** @throws InputError when no file's voting of this name is open */
async function closeFile(client: Client, name: string, error: NoRun): Promise<void> {
  const voting = await lastVoting(client, name);
  if (!voting) throw error;
  if (voting.stored) throw new InputError(`The voting "${name}" has closed already.`);
  await closeVoting(client, voting);
}
