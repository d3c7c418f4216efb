/** What people do to a block: checks that refuse with one sentence and change nothing, and changes of what the checks have let pass. */
import { ApplicationFailure } from '@temporalio/common';
import { CHOICES, SKIP_REASONS, STRENGTHS, type VoteRecord } from '../../labelers/people/protocol.ts';
import { drawQuestion } from './draw.ts';
import {
  NO_QUESTION,
  NOT_READY,
  VOTING_CLOSED,
  type BlockClaim,
  type BlockInput,
  type HeldAtClosing,
  type SkipRequest,
  type UndoRequest,
  type VoteRequest,
} from './protocol.ts';
import {
  claimOf,
  freeVotes,
  isClosing,
  isLive,
  personOf,
  questionOf,
  usesUp,
  type Answer,
  type BlockState,
  type Lease,
} from './state.ts';

/** An update's failure, whose message is one sentence for the person. */
const refusal = (message: string, type?: string) => ApplicationFailure.nonRetryable(message, type);

function checkOpen({ phase }: BlockState): void {
  if (phase === 'opening') throw refusal('The voting has not begun yet: try again in a moment.', NOT_READY);
  if (phase === 'closed') throw closed();
}

const closed = () => refusal('The voting is closed, so nothing is taken any more.', VOTING_CLOSED);

const liveLease = ({ leases }: BlockState, person: string, now: number) =>
  leases.find((lease) => lease.person === person && isLive(lease, now));

const participant = ({ people }: BlockState, person: string) => people.find((known) => known.person === person);

/** @throws Error with one sentence when a person cannot get a question */
export function checkClaim(input: BlockInput, state: BlockState, person: string, now: number): void {
  checkOpen(state);
  if (liveLease(state, person, now)) return;
  if (isClosing(input, state)) throw closed();
  if (state.suspended) throw refusal('The run is paused: no questions are given until an operator resumes it.');
  if (!drawQuestion(input, state, person, now)) throw refusal('No question is left for you.', NO_QUESTION);
}

/** The question that the person holds, or another one for them. */
export function claim(input: BlockInput, state: BlockState, person: string, now: number): BlockClaim {
  const held = liveLease(state, person, now);
  if (held) return claimOf(held);
  const drawn = drawQuestion(input, state, person, now)!;
  const known = participant(state, person);
  if (known) known.shown++;
  else state.people.push({ person, shown: 1 });
  state.leases = state.leases.filter((lease) => isLive(lease, now));
  return claimOf(hold(input, state, { ...drawn, person }, now));
}

function hold(input: BlockInput, state: BlockState, lease: Omit<Lease, 'id' | 'expires'>, now: number): Lease {
  const held = { ...lease, id: String(++state.leased), expires: now + input.leaseSeconds * 1000 };
  state.leases.push(held);
  return held;
}

/** @throws Error with one sentence when a person cannot answer the question of a lease */
export function checkAnswer(
  input: BlockInput,
  state: BlockState,
  request: VoteRequest | SkipRequest,
  now: number,
): void {
  checkForm(request);
  if (isAnswered(state, request)) return;
  checkOpen(state);
  const { person, lease } = request;
  const answered = state.answers.some((answer) => answer.lease === lease && personOf(answer) === person);
  if (answered) throw refusal('You have answered this question already: undo the answer to change it.');
  if (!state.leases.some((held) => held.id === lease && held.person === person && isLive(held, now))) {
    if (isClosing(input, state)) throw closed();
    const minutes = Math.round(input.leaseSeconds / 6) / 10;
    throw refusal(`This question is not held for you any more (it was for ${minutes} minutes): answer the next one.`);
  }
}

function checkForm(request: VoteRequest | SkipRequest): void {
  const refuse = (name: string, allowed: readonly string[]) => {
    throw refusal(`The ${name} has to be one of ${allowed.join(', ')}.`);
  };
  if ('reason' in request) {
    if (!SKIP_REASONS.includes(request.reason)) refuse('reason', SKIP_REASONS);
    return;
  }
  const { choice, strength, seconds } = request;
  if (!CHOICES.includes(choice)) refuse('choice', CHOICES);
  if (strength !== undefined && !STRENGTHS.includes(strength)) refuse('strength', STRENGTHS);
  if (!(Number.isFinite(seconds) && seconds >= 0)) throw refusal('The time for a vote has to be a number of seconds.');
}

/** Whether this same answer is in. A client repeats an update whose response it has lost. */
export const isAnswered = (state: BlockState, { person, lease, ...answer }: VoteRequest | SkipRequest): boolean =>
  state.answers.some((given) => {
    if (given.lease !== lease || personOf(given) !== person) return false;
    if ('reason' in answer) return 'skip' in given && given.skip.skip === answer.reason;
    const { choice, strength } = voteOf(answer, given.left);
    return 'vote' in given && given.vote.choice === choice && given.vote.strength === strength;
  });

/** The question of a lease that ended unanswered when the block closed. It has gone to nobody else, since then a claim removes it. */
export function heldAtClosing(
  input: BlockInput,
  state: BlockState,
  person: string,
  lease: string,
): HeldAtClosing | undefined {
  if (state.phase === 'open' && !isClosing(input, state)) return undefined;
  const held = state.leases.find((other) => other.id === lease && other.person === person && other.extra === undefined);
  return held && { questions: input.questions, question: held.question, left: held.left };
}

/** Which response is better, whatever the order shown. */
export function voteOf(
  { choice, strength }: Pick<VoteRequest, 'choice' | 'strength'>,
  left: 0 | 1,
): Pick<VoteRecord, 'choice' | 'strength'> {
  if (choice === 'tie' || choice === 'both-bad') return { choice };
  const better = choice === 'left' ? left : left === 0 ? 1 : 0;
  return { choice: better, ...(strength && { strength }) };
}

/** Takes a vote or a skip that `checkAnswer` has let pass. */
export function take(state: BlockState, request: VoteRequest | SkipRequest, now: number): void {
  if (isAnswered(state, request)) return;
  const { id, question, person, left, extra } = state.leases.find((held) => held.id === request.lease)!;
  const at = new Date(now).toISOString();
  const shared = { lease: id, left, ...(extra && { extra }) };
  if ('reason' in request) {
    state.answers.push({ ...shared, skip: { question, person, skip: request.reason, at } });
  } else {
    const { seconds } = request;
    const vote = { question, person, ...voteOf(request, left), left, seconds, at };
    state.answers.push({ ...shared, vote: { ...vote, ...(extra === 'repeat' && { repeat: true }) } });
  }
  state.leases = state.leases.filter((held) => held.id !== id);
}

/** @throws Error with one sentence when a person has nothing to undo */
export function checkUndo(input: BlockInput, state: BlockState, { person, request }: UndoRequest, now: number): void {
  checkOpen(state);
  if (liveLease(state, person, now)?.undo) return;
  if (isClosing(input, state)) throw closed();
  const answer = lastAnswer(state, person);
  const isSame = participant(state, person)?.undone === request;
  if (isSame || !answer) throw refusal('There is no answer of yours to undo.');
  // A skipped question may have gone to others meanwhile.
  const isFree =
    answer.extra !== undefined || usesUp(answer) || freeVotes(input, state, now).get(questionOf(answer))! > 0;
  if (!isFree) throw refusal('Others answer the question that you skipped, so this cannot be undone.');
}

const lastAnswer = ({ answers }: BlockState, person: string): Answer | undefined =>
  answers.findLast((answer) => personOf(answer) === person);

/** Withdraws the person's last answer and holds its question for them again. A question that they hold meanwhile is free again. */
export function undo(input: BlockInput, state: BlockState, { person, request }: UndoRequest, now: number): BlockClaim {
  const held = liveLease(state, person, now);
  if (held?.undo) return claimOf(held);
  const answer = lastAnswer(state, person)!;
  state.answers = state.answers.filter((other) => other !== answer);
  state.leases = state.leases.filter((lease) => lease !== held);
  participant(state, person)!.undone = request;
  const { left, extra } = answer;
  const question = questionOf(answer);
  return claimOf(hold(input, state, { question, person, left, ...(extra && { extra }), undo: true }, now));
}
