/** Blocks of questions for people, as a round starts them. */
import type { Client } from '@temporalio/client';
import { hashValue } from '../artifacts/hash.ts';
import type { Question } from '../labelers/people/protocol.ts';
import type { Voting } from '../workers/voting/voting.ts';
import { blockWorkflowId, runWorkflowId } from '../workflows/ids.ts';
import type { voteBlock } from '../workflows/people/block.ts';
import type { BlockInput } from '../workflows/people/protocol.ts';
import { CONTROL_QUEUE } from '../workflows/queues.ts';

/** `count` questions: q1, q2 and so on. */
export const questions = (count: number, votes = 1): Question[] =>
  Array.from({ length: count }, (_, i) => ({ id: `q${i + 1}`, votes }));

/** The input of a block of 10 questions, one vote each, without gold questions and repeats. */
export const blockInput = (changes: Partial<BlockInput> = {}): BlockInput => ({
  questions: hashValue('questions'),
  block: 1,
  seed: 7,
  list: questions(10),
  gold: [],
  goldShare: 0,
  repeatShare: 0,
  leaseSeconds: 900,
  ...changes,
});

/** Starts a block for each of `blocks`. @param name of the run whose voting it would be */
export async function startVoting(client: Client, name: string, blocks: Partial<BlockInput>[]): Promise<Voting> {
  const questions = hashValue(name);
  const ids = blocks.map((_, i) => blockWorkflowId(runWorkflowId(name), questions, i + 1));
  const voting = { run: name, round: 1, questions, blocks: ids };
  await Promise.all(blocks.map((changes, i) => startBlock(client, voting, i + 1, changes)));
  return voting;
}

/** @param block counted from 1 */
export const startBlock = (
  client: Client,
  { questions, blocks }: Voting,
  block: number,
  changes: Partial<BlockInput>,
) =>
  client.workflow.start<typeof voteBlock>('voteBlock', {
    workflowId: blocks[block - 1],
    taskQueue: CONTROL_QUEUE,
    args: [blockInput({ questions, block, ...changes })],
  });

export const handleOf = (client: Client, block: string) => client.workflow.getHandle<typeof voteBlock>(block);
