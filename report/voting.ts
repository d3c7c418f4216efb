/** What a run says while it waits for people's votes: on the command line, and on its page. */
import { counted } from '../data/counted.ts';

/** How far a voting is. */
export interface VotingView {
  /** The votes that are asked for, and those that are in, without gold questions and repeats. */
  asked: number;
  votes: number;
  /** Votes that are still wanted. */
  open: number;
  /** Those of `open` that only people can give who have not voted yet. */
  fromOthers: number;
  /** Questions that people hold now. */
  leases: number;
  /** How many of the votes are from whom; further votes, on gold questions and repeats; skips. */
  byPerson: Record<string, { votes: number; further: number; skips: number }>;
  perHour: number;
  /** When all votes are in at this rate: ISO 8601. */
  expectedEnd?: string;
  /** ISO 8601. */
  deadline?: string;
  /** Whether no question is given any more. */
  closing?: true;
}

/** Sentences: how many votes are in, from whom, at what rate, until when; and where people vote. @param run the run's name */
export const votingLines = (run: string, voting: VotingView): string[] => [
  votingLine(run, voting),
  ...(isEnding(voting) ? [] : [howToVote(run)]),
];

/** Whether people are given no further questions. */
const isEnding = ({ closing, open }: VotingView) => closing === true || open === 0;

/** What a log says when a round's voting begins, or when it is first seen: after a restart, votes may be in already. */
export function firstLine(run: string, round: number, voting: VotingView): string {
  const { asked, byPerson } = voting;
  if (isEnding(voting)) return `Round ${round}: ${votingLine(run, voting)}`;
  if (Object.keys(byPerson).length > 0)
    return `The voting of round ${round} continues. ${votingLines(run, voting).join(' ')}`;
  return `Round ${round} asks people for ${counted(asked, 'vote')}. ${howToVote(run)}`;
}

/** How many votes are in, from whom, at what rate and until when; and whether people are missing. */
export function votingLine(run: string, voting: VotingView): string {
  const { open, fromOthers, leases, deadline, closing } = voting;
  const state = countsOf(voting);
  if (closing)
    return `The voting closes: ${state}; people hold ${counted(leases, 'question')}, which they can still answer.`;
  if (open === 0) return `The voting ends: ${state}.`;
  const until = deadline === undefined ? '' : ` The deadline is ${deadline}.`;
  return `Waits for people: ${state}${pace(voting)}.${until}${fromOthers > 0 ? ` ${peopleMissing(run, fromOthers)}` : ''}`;
}

/** Counts that add up: of the votes by person, of those that skips have used up, and of those that do not count. */
export function countsOf({ asked, votes, open, byPerson }: Pick<VotingView, 'asked' | 'votes' | 'open' | 'byPerson'>) {
  const people = Object.entries(byPerson);
  const further = people.reduce((sum, [, own]) => sum + own.further, 0);
  const besides = further === 0 ? '' : `; besides ${further} on gold questions and repeats`;
  const counts = people.map(([person, own]) => `${person} ${own.votes}`).join(', ');
  const from = people.length === 0 ? '' : ` (${counts}${besides})`;
  const usedUp = asked - votes - open;
  const skipped = usedUp === 0 ? '' : `, ${usedUp} used up by skips, ${open} to go`;
  return `${votes} of ${asked} votes are in${from}${skipped}`;
}

/** @param votes more than 0 */
export const onlyFromOthers = (votes: number): string =>
  `${counted(votes, 'vote')} can only come from people who have not voted yet`;

/** What an operator does when too few people vote for the questions that several are asked. */
export const peopleMissing = (run: string, votes: number): string =>
  `${onlyFromOthers(votes)}: invite somebody (selm label invite PERSON), or selm label close ${run}.`;

/** Where people vote, and how an operator ends it. */
const howToVote = (run: string): string =>
  'They vote on the page that selm ui --label serves; selm label invite PERSON makes a link for a person. ' +
  `selm label close ${run} goes on with the votes that are in.`;

/** @example ', 12 an hour: all by 2026-11-29T18:00:00.000Z' */
function pace({ perHour, expectedEnd }: VotingView): string {
  if (perHour === 0) return '';
  const rate = perHour < 10 ? perHour.toFixed(1) : Math.round(perHour);
  return `, ${rate} an hour${expectedEnd === undefined ? '' : `: all by ${expectedEnd}`}`;
}
