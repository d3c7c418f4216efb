/** Votes that come after their round has its votes: a run takes them for its next round. */
import { defineQuery, defineUpdate } from '@temporalio/workflow';
import type { Address } from '../../artifacts/manifest.ts';
import type { VoteRecord } from '../../labelers/people/protocol.ts';

/** A vote on a question of an earlier round. */
export interface LateVote {
  questions: Address;
  vote: VoteRecord;
}

export const lateVoteUpdate = defineUpdate<void, [LateVote]>('lateVote');
/** Query: all late votes of a run, which a restarted run keeps. */
export const lateVotesQuery = defineQuery<LateVote[]>('lateVotes');
