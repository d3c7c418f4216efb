/** Client functions for votings: the questions of rounds that people answer. */
import { randomUUID } from 'node:crypto';
import { QueryNotRegisteredError, WorkflowNotFoundError, type Client } from '@temporalio/client';
import { hashValue } from '../../artifacts/hash.ts';
import { InputError } from '../../data/errors.ts';
import { runStatusQuery } from '../../workflows/alignment.ts';
import { roundWorkflowId, runIdOfBlock } from '../../workflows/ids.ts';
import { voteOf } from '../../workflows/people/changes.ts';
import { unitHash } from '../../workflows/people/hash.ts';
import { lateVoteUpdate } from '../../workflows/people/late.ts';
import {
  claimUpdate,
  closeSignal,
  heldAtClosingQuery,
  isAnsweredQuery,
  skipUpdate,
  undoUpdate,
  voteUpdate,
  votingQuery,
  type BlockClaim,
  type RoundVoting,
  type SkipRequest,
  type VoteRequest,
} from '../../workflows/people/protocol.ts';
import { queryBlock } from './block-queries.ts';
import { NoQuestion, sendUpdate, VotingClosed } from './block-updates.ts';
import { isUnanswered, RunUnanswered } from '../temporal/errors.ts';
import { findRun, queryRun, unfinishedRuns } from '../runs/runs.ts';
import { lastBlock } from './voting-progress.ts';

/** The voting of a run's round in progress. */
export interface Voting extends RoundVoting {
  run: string;
}

/** A question that is held for a person. */
export interface Claim extends BlockClaim {
  /** The workflow id of its block. */
  block: string;
}

/** How long a run may take to say whether it has a voting: people wait for it. */
const ANSWER_SECONDS = 5;

/**
 * The votings of all runs in progress. A run that does not answer keeps nobody from voting in others, and is left out.
 * @throws RunUnanswered when there would be none
 */
export async function openVotings(client: Client): Promise<Voting[]> {
  const runs = await unfinishedRuns(client);
  const answers = await Promise.allSettled(runs.map((run) => votingOf(client, run)));
  const votings = answers.flatMap((answered) => (answered.status === 'fulfilled' ? (answered.value ?? []) : []));
  const failed = answers.find((answered) => answered.status === 'rejected');
  if (failed && votings.length === 0) throw failed.reason;
  return votings;
}

/**
 * The voting of a run. @returns undefined while its round asks nobody
 * @throws InputError when there is no such run, RunUnanswered when no worker answers
 */
export const votingOf = (client: Client, run: string): Promise<Voting | undefined> =>
  client.withDeadline(Date.now() + ANSWER_SECONDS * 1000, () => findVoting(client, run));

async function findVoting(client: Client, run: string): Promise<Voting | undefined> {
  const handle = await findRun(client, run);
  const { round } = await queryRun(handle, runStatusQuery);
  if (round === undefined) return undefined;
  try {
    const voting = await client.workflow.getHandle(roundWorkflowId(handle.workflowId, round)).query(votingQuery);
    return voting ? { run, ...voting } : undefined;
  } catch (error) {
    // The run's status names the round before it has started; rounds of earlier versions have no votings.
    if (error instanceof WorkflowNotFoundError || error instanceof QueryNotRegisteredError) return undefined;
    throw isUnanswered(error) ? new RunUnanswered(run, error) : error;
  }
}

/** The block that a person's last question was from, by voting and person: the blocks before it have nothing for them. */
const current = new Map<string, string>();
const currentKey = ({ questions }: Voting, person: string) => JSON.stringify([questions, person]);

/**
 * Holds a question for a person, or returns the one that is held for them.
 * @returns undefined if no question is left for this person
 * @throws InputError when the run is paused, TemporalFailed when Temporal does not answer
 */
export async function claim(client: Client, voting: Voting, person: string): Promise<Claim | undefined> {
  for (const block of blocksFor(voting, person)) {
    try {
      const claimed = await sendUpdate(client, block, claimUpdate, { person }, randomUUID());
      current.set(currentKey(voting, person), block);
      return { block, ...claimed };
    } catch (error) {
      if (!(error instanceof NoQuestion || error instanceof VotingClosed)) throw error;
    }
  }
  return undefined;
}

/** The blocks in another order for each person, so that people spread, beginning with their current one. */
function blocksFor(voting: Voting, person: string): string[] {
  const drawn = voting.blocks.map((block) => ({ block, draw: unitHash(block, person) }));
  const order = drawn.sort((a, b) => a.draw - b.draw).map(({ block }) => block);
  const first = Math.max(0, order.indexOf(current.get(currentKey(voting, person))!));
  return [...order.slice(first), ...order.slice(0, first)];
}

/**
 * Takes a vote. When it returns, the vote is saved, and counts exactly once.
 * @param block the workflow id of the claim's block
 * @returns late: the voting closed while the person held the question, and their lease ended before they answered. The run's next round
 *   uses the vote
 * @throws InputError when the question is not held for this person any more, or they have answered it differently; VotingClosed
 *   when the block takes no answers any more; TemporalFailed when Temporal does not answer
 */
export async function vote(client: Client, block: string, request: VoteRequest): Promise<'recorded' | 'late'> {
  const { lease, person, choice, strength } = request;
  // The id contains the answer: another answer to the same lease is not a repetition of the first one.
  const id = hashValue(['vote', lease, person, choice, strength]);
  try {
    await sendUpdate(client, block, voteUpdate, request, id);
    return 'recorded';
  } catch (error) {
    if (!(error instanceof VotingClosed)) throw error;
    if (await isAnswered(client, block, request)) return 'recorded';
    if (await sendLate(client, block, request)) return 'late';
    throw error;
  }
}

/** Takes a skip. @throws as `vote` */
export async function skip(client: Client, block: string, request: SkipRequest): Promise<void> {
  const { lease, person, reason } = request;
  try {
    await sendUpdate(client, block, skipUpdate, request, hashValue(['skip', lease, person, reason]));
  } catch (error) {
    if (!(error instanceof VotingClosed) || !(await isAnswered(client, block, request))) throw error;
  }
}

/** Whether a closed block has the answer: it may have ended with it before the response arrived. */
async function isAnswered(client: Client, block: string, request: VoteRequest | SkipRequest): Promise<boolean> {
  try {
    return await queryBlock(client, block, isAnsweredQuery, request);
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) throw new InputError('There is no such question.', { cause: error });
    throw error;
  }
}

/** Sends a vote on a question that the person held when its block closed to the run. @returns whether there is such a question */
async function sendLate(client: Client, block: string, request: VoteRequest): Promise<boolean> {
  const { person, lease, seconds } = request;
  const held = await queryBlock(client, block, heldAtClosingQuery, { person, lease });
  if (!held) return false;
  const { questions, question, left } = held;
  const late = { question, person, ...voteOf(request, left), left, seconds, at: new Date().toISOString() };
  const id = hashValue(['late', block, lease, person, request.choice, request.strength]);
  await sendUpdate(client, runIdOfBlock(block), lateVoteUpdate, { questions, vote: late }, id);
  return true;
}

/**
 * Withdraws the last answer of a person, a vote or a skip, and holds its question for them again. `claim` returns it until it is answered.
 * @param request names the request: the same one again withdraws nothing further
 * @throws InputError when there is no answer to withdraw; VotingClosed when its block has closed; TemporalFailed
 */
export async function undo(client: Client, voting: Voting, person: string, request: string): Promise<Claim> {
  const block = await lastBlock(client, voting.blocks, person);
  if (block === undefined) throw new InputError('There is no answer of yours to undo.');
  const claimed = await sendUpdate(
    client,
    block,
    undoUpdate,
    { person, request },
    hashValue(['undo', person, request]),
  );
  current.set(currentKey(voting, person), block);
  return { block, ...claimed };
}

/** Closes a voting: its round goes on with the votes that are in, once nobody holds a question any more. */
export async function closeVoting(client: Client, { blocks }: Pick<Voting, 'blocks'>): Promise<void> {
  for (const block of blocks) {
    await client.workflow
      .getHandle(block)
      .signal(closeSignal)
      .catch((error: unknown) => {
        // It has closed already.
        if (!(error instanceof WorkflowNotFoundError)) throw error;
      });
  }
}
