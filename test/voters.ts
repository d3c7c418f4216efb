/** People who vote in a run, through the client that the pages use. */
import type { Client } from '@temporalio/client';
import type { Choice } from '../labelers/people/protocol.ts';
import { claim, vote, votingOf, type Claim, type Voting } from '../workers/voting/voting.ts';
import { until } from './until.ts';

/** Waits until a run asks people. */
export const openedVoting = (client: Client, run: string, round: number): Promise<Voting> =>
  until(`run ${run} asks people in round ${round}`, async () => {
    const voting = await votingOf(client, run).catch(() => undefined);
    return voting?.round === round ? voting : undefined;
  });

/**
 * A person answers up to `count` questions. @param choose from the claim. Default: the response shown on the left
 * @returns the claims that were answered
 */
export async function answer(
  client: Client,
  voting: Voting,
  person: string,
  count = Infinity,
  choose: (claim: Claim) => Choice = () => 'left',
): Promise<Claim[]> {
  const answered: Claim[] = [];
  while (answered.length < count) {
    const claimed = await claim(client, voting, person);
    if (!claimed) break;
    await vote(client, claimed.block, { person, lease: claimed.lease, choice: choose(claimed), seconds: 2 });
    answered.push(claimed);
  }
  return answered;
}
