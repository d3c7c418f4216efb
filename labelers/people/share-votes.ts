/** How the votes of a round are shared among its questions. */
import { OVERLAPPING_VOTES } from './protocol.ts';

/** The questions of a round, and how many of them several people are asked. */
export interface SharedVotes {
  questions: number;
  overlapping: number;
}

/**
 * The largest number of questions for which the votes suffice.
 * @param votes that the round asks for, at least 1; no more are shared
 * @param overlap the share of the questions that OVERLAPPING_VOTES people are asked
 * @param prompts the number of prompts, which have one question each at most
 */
export function shareVotes(votes: number, overlap: number, prompts: number): SharedVotes {
  const extra = OVERLAPPING_VOTES - 1;
  const needed = (questions: number) => questions + extra * Math.round(overlap * questions);
  let questions = Math.min(prompts, votes);
  while (questions > 1 && needed(questions) > votes) questions--;
  // A single question may have fewer votes than an overlapping one needs.
  const overlapping = Math.min(Math.round(overlap * questions), Math.floor((votes - questions) / extra));
  return { questions, overlapping };
}

/** The votes of a question. */
export const votesOf = (isOverlapping: boolean): number => (isOverlapping ? OVERLAPPING_VOTES : 1);
