/** The workflow of a block: it holds up to 100 questions of a round, gives them to people, and takes and stores their votes. */
import {
  allHandlersFinished,
  condition,
  continueAsNew,
  getExternalWorkflowHandle,
  isCancellation,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import type { BlockOf, VoteBlockResult } from '../../activities/people/store-votes.ts';
import { activitiesOf } from '../activities.ts';
import { runNameOf } from '../ids.ts';
import { takeMessages, tellProgress } from './messages.ts';
import { blockClosedSignal, type BlockInput } from './protocol.ts';
import { newState, storesAt, type BlockState } from './state.ts';

/**
 * Maximum updates of one execution. The block then continues as a new execution, below Temporal's limit of 2000. Updates that are
 * refused leave nothing in the history, and do not count.
 */
const UPDATES_PER_EXECUTION = 1500;

/** Between attempts to store the votes, after the retries of the activity. The block keeps its votes until it succeeds. */
const STORE_AGAIN = '1 minute';

/**
 * Holds a block's questions until all its votes are in or it is told to close, and then until nobody holds a question any more. A
 * block whose votes are stored, and which is started again, returns them.
 * @param before the state of the previous execution
 */
export async function voteBlock(input: BlockInput, before?: BlockState): Promise<VoteBlockResult> {
  const state = before ?? newState(workflowInfo().parent?.workflowId);
  const updates = takeMessages(input, state);
  if (!before) {
    const { found } = await activities().findVotes(blockOf(input));
    if (found) return close(state, found);
    state.phase = 'open';
  }

  const mustContinue = () => updates() >= UPDATES_PER_EXECUTION || workflowInfo().continueAsNewSuggested;
  for (;;) {
    const [now, end] = [Date.now(), storesAt(input, state)];
    if (end !== undefined && now >= end) return close(state, await store(input, state));
    if (mustContinue()) {
      await condition(allHandlersFinished);
      await continueAsNew<typeof voteBlock>(input, state);
    }
    const isDue = () => mustContinue() || storesAt(input, state) !== end;
    await (end === undefined ? condition(isDue) : condition(isDue, end - now));
  }
}

const activities = () => activitiesOf({ step: 'label' }).control;

/** The block's place in the key of its votes. Its workflow id begins with that of its run. */
const blockOf = ({ questions, block }: BlockInput): BlockOf => ({
  run: runNameOf(workflowInfo().workflowId.split('/')[0]),
  questions,
  block,
});

async function store(input: BlockInput, state: BlockState): Promise<VoteBlockResult> {
  // From here on no answer is taken, so that every confirmed one is in the artifact.
  state.phase = 'closed';
  const votes = state.answers.flatMap((answer) => ('vote' in answer ? [answer.vote] : []));
  const skips = state.answers.flatMap((answer) => ('skip' in answer ? [answer.skip] : []));
  for (;;) {
    try {
      const { address, summary } = await activities().storeVotes({ ...blockOf(input), votes, skips });
      await tellProgress(input, state);
      const { voters, ...counts } = summary;
      return { ...blockOf(input), votes: address, ...(voters && { voters }), counts };
    } catch (error) {
      if (isCancellation(error)) throw error;
      await sleep(STORE_AGAIN);
    }
  }
}

/** Tells the rounds that wait for the block. One that has ended is not told: it starts the block again when it runs again. */
async function close(state: BlockState, result: VoteBlockResult): Promise<VoteBlockResult> {
  Object.assign(state, { phase: 'closed', stored: result.votes });
  while (state.listeners.length > 0) {
    const round = getExternalWorkflowHandle(state.listeners.shift()!);
    await round.signal(blockClosedSignal, result).catch(() => {});
  }
  return result;
}
