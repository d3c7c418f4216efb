/** The artifact `votes`: what people answered to the questions of a block. */
import { z } from 'zod';
import type { Address } from '../../artifacts/manifest.ts';
import type { ReadableStore } from '../../artifacts/store.ts';
import { parseJsonl } from '../../data/jsonl.ts';
import { SKIP_REASONS, STRENGTHS, type SkipRecord, type VoteRecord } from '../../labelers/people/protocol.ts';

export const VOTES = 'votes.jsonl';
export const SKIPS = 'skips.jsonl';

const response = z.union([z.literal(0), z.literal(1)]);
const answer = z.object({ question: z.string(), person: z.string(), at: z.string() });

const voteSchema: z.ZodType<VoteRecord> = answer.extend({
  choice: z.union([response, z.enum(['tie', 'both-bad'])]),
  strength: z.enum(STRENGTHS).optional(),
  left: response,
  seconds: z.number().nonnegative(),
  repeat: z.literal(true).optional(),
});

const skipSchema: z.ZodType<SkipRecord> = answer.extend({ skip: z.enum(SKIP_REASONS) });

/** The votes of a block, and its skipped questions. */
export async function readVotes(
  store: ReadableStore,
  block: Address,
): Promise<{ votes: VoteRecord[]; skips: SkipRecord[] }> {
  const [votes, skips] = await Promise.all([store.readText(block, VOTES), store.readText(block, SKIPS)]);
  return {
    votes: parseJsonl(`${VOTES} of ${block}`, votes, voteSchema),
    skips: parseJsonl(`${SKIPS} of ${block}`, skips, skipSchema),
  };
}
