/** MT-Bench's scores, as FastChat's show_result computes them, with bootstrap intervals. */
import { InputError } from '../../data/errors.ts';
import { sum } from '../../data/numbers.ts';
import type { Question, QuestionJudgement } from './files.ts';
import { bootstrapRatio, type Interval } from '../statistics.ts';

/** The mean of ratings from 1 to 10. */
export interface Score {
  mean: number;
  /** 95 % bootstrap interval over questions: both turns of a question are resampled together. */
  interval: Interval;
  ratings: number;
}

/** A model's MT-Bench scores by one judge. */
export interface ModelScores {
  model: string;
  judge: string;
  /** Over all ratings of both turns. */
  overall: Score;
  turns: Record<string, Score>;
  categories: Record<string, Score>;
  /** Judgements without a rating, which are excluded from the means. */
  unrated: number;
}

/**
 * The scores of each model by each judge, best first. Models without a rating are excluded.
 * @throws InputError when a judgement refers to a question that is not in `questions`, or no judgement has a rating
 */
export function scoresOf(judgements: QuestionJudgement[], questions: Question[], seed: number): ModelScores[] {
  const categories = new Map(questions.map(({ question_id, category }) => [question_id, category]));
  const categoryOf = ({ question_id }: QuestionJudgement): string => {
    const category = categories.get(question_id);
    if (category !== undefined) return category;
    throw new InputError(`There is a judgement on question ${question_id}, which is not among the questions.`);
  };
  const byModel = groupBy(judgements, ({ model, judge: [judge] }) => JSON.stringify([model, judge]));
  const scores = [...byModel.values()].flatMap((rows) => {
    const [{ model, judge }] = rows;
    const rated = rows.filter(({ score }) => score !== UNRATED);
    if (rated.length === 0) return [];
    const scoreAll = (groups: Map<string, QuestionJudgement[]>) =>
      Object.fromEntries(
        [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, group]) => [name, scoreOf(group, seed)]),
      );
    return {
      model,
      judge: judge[0],
      overall: scoreOf(rated, seed),
      turns: scoreAll(groupBy(rated, ({ turn }) => String(turn))),
      categories: scoreAll(groupBy(rated, categoryOf)),
      unrated: rows.length - rated.length,
    };
  });
  if (scores.length === 0) throw new InputError('There is no judgement with a rating: choose another judge.');
  return scores.sort((a, b) => b.overall.mean - a.overall.mean);
}

/** FastChat's score of a judgement without a rating. */
export const UNRATED = -1;

function scoreOf(rows: QuestionJudgement[], seed: number): Score {
  const questions = [...groupBy(rows, ({ question_id }) => question_id).values()];
  const sums = questions.map((ratings) => sum(ratings.map(({ score }) => score)));
  const counts = questions.map(({ length }) => length);
  return { mean: sum(sums) / rows.length, interval: bootstrapRatio(sums, counts, seed), ratings: rows.length };
}

function groupBy<T, Key>(rows: T[], keyOf: (row: T) => Key): Map<Key, T[]> {
  const groups = new Map<Key, T[]>();
  for (const row of rows) groups.set(keyOf(row), [...(groups.get(keyOf(row)) ?? []), row]);
  return groups;
}
