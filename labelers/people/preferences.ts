/** Preferences of people's votes, for files without a run. In a run the steps `tally` and `prefer` make them. */
import type { AnsweredRecord } from '../../data/records.ts';
import { preferencesOf } from '../preferences.ts';
import type { Truncated } from '../truncated.ts';
import { aggregate, type AggregateSettings, type CountedVote } from './aggregate.ts';
import type { QuestionRecord } from './protocol.ts';
import { countTally, labelOf, unasked } from './tally.ts';

interface Settings extends Pick<AggregateSettings, 'aggregation' | 'leaveOut'> {
  truncated: Truncated;
}

const isGold = (question: QuestionRecord) => question.gold !== undefined;

/** @param rows the responses that the questions are about. Rows without a question give no preference, and are counted */
export function preferencesOfVotes(
  rows: AnsweredRecord[],
  questions: QuestionRecord[],
  votes: CountedVote[],
  { aggregation, leaveOut, truncated }: Settings,
) {
  const gold = new Set(questions.filter(isGold).map(({ id }) => id));
  const asked = questions.filter((question) => !isGold(question));
  const { outcomes } = aggregate(votes, { aggregation, leaveOut, gold });
  const byPrompt = new Map(asked.map((question) => [question.prompt_id, question]));
  const labels = rows.map((row) => {
    const question = byPrompt.get(row.id);
    return question
      ? labelOf(question, outcomes.get(question.id))
      : unasked(row, truncated === 'drop' ? truncated : undefined);
  });
  const counts = { ...countTally(asked, outcomes, votes, leaveOut), unasked: rows.length - asked.length };
  return preferencesOf(rows, { labels, counts }, rows, { truncated });
}
