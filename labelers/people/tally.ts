/** Labels and counts of the answers that people's votes gave. */
import type { AnsweredRecord, LabelRecord } from '../../data/records.ts';
import { candidatesOf } from '../labels.ts';
import type { CountedVote, Outcome } from './aggregate.ts';
import type { QuestionRecord } from './protocol.ts';

/** The label of a prompt that people were asked about. @param outcome undefined if no vote counts */
export function labelOf(question: QuestionRecord, outcome: Outcome | undefined): LabelRecord {
  const { prompt_id: id, candidates: pair } = question;
  if (!outcome) return { id, candidates: pair.map((index) => ({ index })) };
  const { winner } = outcome;
  if (winner !== 0 && winner !== 1) return { id, candidates: pair.map((index) => ({ index, score: 0.5 })) };
  const confidence = outcome.confidence!;
  const scores = winner === 0 ? [confidence, 1 - confidence] : [1 - confidence, confidence];
  return { id, candidates: pair.map((index, i) => ({ index, score: scores[i] })), confidence };
}

/** The label of a prompt that nobody was asked about: no candidate has a score. */
export const unasked = (row: AnsweredRecord, truncated?: 'drop'): LabelRecord => ({
  id: row.id,
  candidates: candidatesOf(row, truncated).indices.map((index) => ({ index })),
});

const COUNTED = { 0: 'preferred', 1: 'preferred', tie: 'ties', 'both-bad': 'bothBad', none: 'disagreed' } as const;

/**
 * Counts answers by class: `asked` = `preferred` + `ties` + `bothBad` + `disagreed` (no class is ahead of the others) + `withoutVotes`.
 * Also the votes that count on these questions, and those of people who are left out.
 */
export function countTally(
  questions: QuestionRecord[],
  outcomes: ReadonlyMap<string, Outcome>,
  votes: CountedVote[],
  leaveOut: string[],
): Record<string, number> {
  const counts = {
    asked: questions.length,
    preferred: 0,
    ties: 0,
    bothBad: 0,
    disagreed: 0,
    withoutVotes: 0,
    votes: 0,
  };
  for (const { id } of questions) {
    const outcome = outcomes.get(id);
    counts[outcome ? COUNTED[outcome.winner] : 'withoutVotes']++;
    counts.votes += outcome?.votes ?? 0;
  }
  const ids = new Set(questions.map(({ id }) => id));
  const leftOut = votes.filter(
    ({ question, person, repeat }) => !repeat && ids.has(question) && leaveOut.includes(person),
  );
  return { ...counts, ...(leaveOut.length > 0 && { leftOutVotes: leftOut.length }) };
}
