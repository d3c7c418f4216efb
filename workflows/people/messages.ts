/** The handlers of a block's updates, queries and signals. None of them waits, so each is complete before the next one is checked. */
import { getExternalWorkflowHandle, setCurrentDetails, setHandler } from '@temporalio/workflow';
import { checkAnswer, checkClaim, checkUndo, claim, heldAtClosing, isAnswered, take, undo } from './changes.ts';
import { describeBlock } from './details.ts';
import { blockProgressSignal, type BlockProgress } from './progress.ts';
import {
  attachSignal,
  blockStatusQuery,
  claimUpdate,
  closeSignal,
  heldAtClosingQuery,
  isAnsweredQuery,
  resumeSignal,
  skipUpdate,
  suspendSignal,
  undoUpdate,
  voteUpdate,
  type BlockInput,
  type SkipRequest,
  type VoteRequest,
} from './protocol.ts';
import { statusOf, type BlockState } from './state.ts';

/** Between reports of a block to its round. */
const ANSWERS_PER_REPORT = 10;

/**
 * Registers the handlers of a block, which change its state.
 * @returns a function that counts the updates of this execution
 */
export function takeMessages(input: BlockInput, state: BlockState): () => number {
  let updates = 0;
  const status = () => statusOf(input, state, Date.now());
  const show = () => setCurrentDetails(describeBlock(status()));
  const changed = <T>(result: T): T => {
    updates++;
    show();
    return result;
  };

  setHandler(claimUpdate, ({ person }) => changed(claim(input, state, person, Date.now())), {
    validator: ({ person }) => checkClaim(input, state, person, Date.now()),
  });
  const answer = (request: VoteRequest | SkipRequest) => {
    take(state, request, Date.now());
    if (state.answers.length % ANSWERS_PER_REPORT === 0) void tellProgress(input, state);
    changed(undefined);
  };
  const validator = (request: VoteRequest | SkipRequest) => checkAnswer(input, state, request, Date.now());
  setHandler(voteUpdate, answer, { validator });
  setHandler(skipUpdate, answer, { validator });
  setHandler(undoUpdate, (request) => changed(undo(input, state, request, Date.now())), {
    validator: (request) => checkUndo(input, state, request, Date.now()),
  });

  setHandler(blockStatusQuery, status);
  setHandler(isAnsweredQuery, (request) => isAnswered(state, request));
  setHandler(heldAtClosingQuery, ({ person, lease }) => heldAtClosing(input, state, person, lease) ?? null);

  setHandler(attachSignal, (round) => {
    if (!state.listeners.includes(round)) state.listeners.push(round);
    void tellProgress(input, state);
  });
  setHandler(suspendSignal, () => void (state.suspended = true));
  setHandler(resumeSignal, () => void (state.suspended = false));
  setHandler(closeSignal, () => void (state.closeRequested = true));
  show();
  return () => updates;
}

/** Tells the rounds that wait for the block how many votes are in. */
export async function tellProgress(input: BlockInput, state: BlockState): Promise<void> {
  const { asked, votes, skips, open, byPerson, times } = statusOf(input, state, Date.now());
  const progress: BlockProgress = {
    questions: input.questions,
    block: input.block,
    votes,
    ...(votes > 0 && { first: Math.min(...times) }),
    skips,
    usedUp: asked - votes - open,
    byPerson: Object.fromEntries(Object.entries(byPerson).map(([person, own]) => [person, own.votes])),
  };
  // A round that has ended attaches when it runs again.
  const told = state.listeners.map((round) =>
    getExternalWorkflowHandle(round)
      .signal(blockProgressSignal, progress)
      .catch(() => {}),
  );
  await Promise.all(told);
}
