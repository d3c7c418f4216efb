/** storeVotes: stores the votes that a block of a round has taken. findVotes: finds them, for a block that is started again. */
import { stepKey, type Address } from '../../artifacts/manifest.ts';
import type { SkipRecord, VoteRecord } from '../../labelers/people/protocol.ts';
import { defineStep, type Activity } from '../step.ts';
import { SKIPS, VOTES } from './votes.ts';

/** A block of a round's questions. Its votes are stored once. */
export interface BlockOf {
  /** The run that asks. Another run with the same questions has votes of its own. */
  run: string;
  questions: Address;
  /** Counted from 1. */
  block: number;
}

export interface StoreVotesInput extends BlockOf {
  votes: VoteRecord[];
  skips: SkipRecord[];
}

/** The stored votes of a block. */
export interface VoteBlockResult extends BlockOf {
  votes: Address;
  /** Everybody with a vote. Absent in results of earlier versions of selm. */
  voters?: string[];
  /** All votes, also those on gold questions and repeats. */
  counts: { votes: number; skips: number };
}

type VotesSummary = VoteBlockResult['counts'] & Pick<VoteBlockResult, 'voters'>;

/** Writes the votes and skips of a block, ordered by question, person and time. What people answer cannot be computed again. */
export const storeVotes = defineStep({
  name: 'storeVotes',
  kind: 'votes',
  reproducible: false,
  recipe: ({ run, questions, block }: StoreVotesInput) => ({
    parameters: { run, block },
    inputs: { questions },
    seed: 0,
  }),
  run: async (_, { folder, input: { votes, skips } }): Promise<VotesSummary> => {
    await folder.writeRows(VOTES, votes.toSorted(inOrder));
    await folder.writeRows(SKIPS, skips.toSorted(inOrder));
    const voters = [...new Set(votes.map(({ person }) => person))].toSorted();
    return { votes: votes.length, skips: skips.length, voters };
  },
});

type Given = Pick<VoteRecord, 'question' | 'person' | 'at'>;

const inOrder = (a: Given, b: Given) =>
  compare(a.question, b.question) || compare(a.person, b.person) || compare(a.at, b.at);

const compare = (a: string, b: string) => Number(a > b) - Number(a < b);

/** The votes of a block as they are stored, if they are. */
export const findVotes: Activity<BlockOf, { found?: VoteBlockResult }> = async (context, of) => {
  const recipe = await storeVotes.recipeFor(context, { ...of, votes: [], skips: [] });
  const votes = await context.store.find(stepKey(recipe));
  if (votes === undefined) return {};
  const { voters, ...counts } = await storeVotes.readSummary(context.store, votes);
  return { found: { ...of, votes, ...(voters && { voters }), counts } };
};
