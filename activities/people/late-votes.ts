/** late-votes: stores votes that came when their round had its votes already. The next round uses them. */
import { hashValue } from '../../artifacts/hash.ts';
import type { Address } from '../../artifacts/manifest.ts';
import type { VoteRecord } from '../../labelers/people/protocol.ts';
import { defineStep } from '../step.ts';
import { readQuestions } from './questions.ts';
import { SKIPS, VOTES } from './votes.ts';

export interface LateVotesInput {
  /** The questions of the earlier round. */
  questions: Address;
  /** In the order in which they came. */
  votes: VoteRecord[];
}

export interface LateVotesSummary {
  /** The shards of the earlier round that have these questions, in ascending order. */
  shards: number[];
}

/** Writes the votes as the artifact `votes` of a block has them. */
export const storeLateVotes = defineStep({
  name: 'late-votes',
  kind: 'votes',
  reproducible: false,
  recipe: ({ questions, votes }: LateVotesInput) => ({
    parameters: { sha256: hashValue(votes) },
    inputs: { questions },
    seed: 0,
  }),
  run: async (_recipe, { context: { store }, input: { questions, votes }, folder }): Promise<LateVotesSummary> => {
    await folder.writeRows(VOTES, votes);
    await folder.writeRows(SKIPS, []);
    const ids = new Set(votes.map(({ question }) => question));
    const records = (await readQuestions(store, questions)).filter(({ id }) => ids.has(id));
    const shards = new Set(records.flatMap(({ shard }) => shard ?? []));
    return { shards: [...shards].sort((a, b) => a - b) };
  },
});
