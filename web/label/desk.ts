/** What the pages need of votings: the functions of workers/voting/voting.ts, without the client. */
import type { Client } from '@temporalio/client';
import { InputError } from '../../data/errors.ts';
import { progressOf, type VotingProgress } from '../../workers/voting/voting-progress.ts';
import {
  claim,
  openVotings,
  skip,
  undo,
  vote,
  votingOf,
  type Claim,
  type Voting,
} from '../../workers/voting/voting.ts';
import { runWorkflowId } from '../../workflows/ids.ts';
import type { SkipRequest, VoteRequest } from '../../workflows/people/protocol.ts';
import { shared } from './shared.ts';

/** Refusals are InputErrors with one sentence for the person. */
export interface VotingDesk {
  open(): Promise<Voting[]>;
  /** The voting of a run's current round. Undefined: it asks for no votes. */
  of(run: string): Promise<Voting | undefined>;
  /** The question that the person is asked next, or is being asked. Undefined: none is left. */
  claim(voting: Voting, person: string): Promise<Claim | undefined>;
  /**
   * @param block of the claim, as a form has it
   * @returns late: the round has closed, and the next one uses the vote
   */
  vote(run: string, block: string, request: VoteRequest): Promise<'recorded' | 'late'>;
  skip(run: string, block: string, request: SkipRequest): Promise<void>;
  /** @param request names the request, which may be sent again */
  undo(voting: Voting, person: string, request: string): Promise<Claim>;
  progress(voting: Voting): Promise<VotingProgress>;
}

/** Votings that are workflows. */
export const temporalDesk = (client: Client): VotingDesk => ({
  open: () => openVotings(client),
  claim: (voting, person) => claim(client, voting, person),
  vote: (run, block, request) => vote(client, blockOf(run, block), request),
  skip: (run, block, request) => skip(client, blockOf(run, block), request),
  undo: (voting, person, request) => undo(client, voting, person, request),
  // Each of many people's pages asks for both, and runs and blocks answer one query after another.
  of: shared(
    (run) => votingOf(client, run),
    (run) => run,
  ),
  progress: shared(
    (voting) => progressOf(client, voting),
    ({ questions }) => questions,
  ),
});

/** Not the blocks of the round in progress: an answer may be sent again after its round has closed, to be confirmed. */
function blockOf(run: string, block: string): string {
  if (block.startsWith(`${runWorkflowId(run)}/votes-`)) return block;
  throw new InputError(`This question is not one of run ${run}.`);
}
