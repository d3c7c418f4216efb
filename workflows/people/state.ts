/** The state of a block: plain data, which a continued execution gets whole. */
import type { Address } from '../../artifacts/manifest.ts';
import type { SkipReason, SkipRecord, VoteRecord } from '../../labelers/people/protocol.ts';
import type { BlockClaim, BlockInput, BlockStatus, PersonStatus } from './protocol.ts';

export interface Lease {
  id: string;
  question: string;
  person: string;
  left: 0 | 1;
  /** Milliseconds since 1970, by workflow time. */
  expires: number;
  /** Undefined for a question that the block wants a vote on. */
  extra?: 'gold' | 'repeat';
  undo?: true;
}

/** An answer with what is needed to take it back. */
export type Answer = { lease: string; left: 0 | 1; extra?: Lease['extra'] } & (
  { vote: VoteRecord } | { skip: SkipRecord }
);

interface Participant {
  person: string;
  /** The questions shown so far. */
  shown: number;
  /** The last request to undo an answer. */
  undone?: string;
}

export interface BlockState {
  /** In the order in which they were given. */
  answers: Answer[];
  /** Some may have expired. */
  leases: Lease[];
  /** The number of leases so far. */
  leased: number;
  people: Participant[];
  suspended: boolean;
  closeRequested: boolean;
  /** Opening: it is not known yet whether the votes are stored already. Closed: nothing is taken any more. */
  phase: 'opening' | 'open' | 'closed';
  /** The workflows to tell when the votes are stored. */
  listeners: string[];
  stored?: Address;
}

/** @param round the workflow id of the round that starts the block, if it is one */
export const newState = (round?: string): BlockState => ({
  answers: [],
  leases: [],
  leased: 0,
  people: [],
  suspended: false,
  closeRequested: false,
  phase: 'opening',
  listeners: round === undefined ? [] : [round],
});

/** Reasons to skip that are about the question. With any other reason the question goes to somebody else. */
const ABOUT_THE_QUESTION: ReadonlySet<SkipReason> = new Set(['unclear', 'offensive', 'broken', 'other']);

/** The person who gave an answer. */
export const personOf = (answer: Answer): string => recordOf(answer).person;
/** The id of the question that is answered. */
export const questionOf = (answer: Answer): string => recordOf(answer).question;
const recordOf = (answer: Answer): VoteRecord | SkipRecord => ('vote' in answer ? answer.vote : answer.skip);

/** Whether an answer uses up one of the votes that its question asks for. */
export const usesUp = (answer: Answer) =>
  answer.extra === undefined && ('vote' in answer || ABOUT_THE_QUESTION.has(answer.skip.skip));

/** Whether a lease has not expired. @param now in milliseconds since 1970 */
export const isLive = ({ expires }: Lease, now: number): boolean => now < expires;

/** By question: the votes that are still wanted. Gold questions have none. */
function wantedVotes({ list }: BlockInput, { answers }: BlockState): Map<string, number> {
  const wanted = new Map(list.map(({ id, votes = 1 }) => [id, votes]));
  for (const answer of answers) if (usesUp(answer)) take(wanted, questionOf(answer));
  return wanted;
}

/** By question: the votes that are still wanted and that nobody is about to give. */
export function freeVotes(input: BlockInput, state: BlockState, now: number): Map<string, number> {
  const free = wantedVotes(input, state);
  for (const lease of state.leases) {
    if (lease.extra === undefined && isLive(lease, now)) take(free, lease.question);
  }
  return free;
}

const take = (votes: Map<string, number>, question: string) => votes.set(question, votes.get(question)! - 1);

const isDone = (input: BlockInput, state: BlockState) => [...wantedVotes(input, state).values()].every((n) => n <= 0);

/** Whether the block gives no questions any more: all votes are in, or it is told to close. */
export const isClosing = (input: BlockInput, state: BlockState): boolean =>
  state.closeRequested || isDone(input, state);

/**
 * When a closing block stores its votes: as soon as nobody holds one of its questions any more, so that nobody loses an answer that
 * they are about to give. Gold questions and repeats do not hold it up.
 * @returns milliseconds since 1970; undefined while it is not closing
 */
export function storesAt(input: BlockInput, state: BlockState): number | undefined {
  if (!isClosing(input, state)) return undefined;
  return Math.max(0, ...state.leases.filter(({ extra }) => extra === undefined).map(({ expires }) => expires));
}

/** What a person learns of a lease. */
export const claimOf = ({ question, id, left, expires, undo }: Lease): BlockClaim => ({
  question,
  lease: id,
  left,
  expires: new Date(expires).toISOString(),
  ...(undo && { undo }),
});

const peopleAt = ({ answers }: BlockState, question: string): number =>
  new Set(answers.filter((answer) => questionOf(answer) === question).map(personOf)).size;

/** A block's status: numbers by person and by question. */
export function statusOf(input: BlockInput, state: BlockState, now: number): BlockStatus {
  const byPerson = new Map<string, PersonStatus>();
  const byQuestion = new Map(input.list.map(({ id }) => [id, 0]));
  const times: number[] = [];
  for (const answer of state.answers) {
    const { at, person, question } = recordOf(answer);
    const { votes, further, skips } = byPerson.get(person) ?? { votes: 0, further: 0, skips: 0 };
    const isVote = 'vote' in answer;
    const counts = isVote && !answer.extra;
    byPerson.set(person, {
      votes: votes + Number(counts),
      further: further + Number(isVote && !counts),
      skips: skips + Number(!isVote),
      last: at,
    });
    if (!counts) continue;
    byQuestion.set(question, byQuestion.get(question)! + 1);
    times.push(Math.floor(Date.parse(at) / 1000));
  }
  const wanted = [...wantedVotes(input, state)]
    .filter(([, votes]) => votes > 0)
    .map(([question, votes]) => ({ votes, answeredBy: peopleAt(state, question) }));
  return {
    asked: input.list.reduce((sum, { votes = 1 }) => sum + votes, 0),
    votes: times.length,
    skips: state.answers.filter((answer) => 'skip' in answer).length,
    open: wanted.reduce((sum, { votes }) => sum + votes, 0),
    wanted,
    byPerson: Object.fromEntries(byPerson),
    byQuestion: Object.fromEntries(byQuestion),
    times,
    leases: state.leases.filter((lease) => isLive(lease, now)).length,
    suspended: state.suspended,
    closing: isClosing(input, state),
    ...(state.stored !== undefined && { stored: state.stored }),
  };
}
