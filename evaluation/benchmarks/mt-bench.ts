/** MT-Bench as a benchmark: the prompts of its turns, the conversations in the responses, and its figures. */
import { z } from 'zod';
import { InputError } from '../../data/errors.ts';
import { sum } from '../../data/numbers.ts';
import type { PromptRecord, SampledRecord } from '../../data/records.ts';
import { questionSchema, type Question, type QuestionAnswer, type QuestionJudgement } from '../mt-bench/files.ts';
import { UNRATED } from '../mt-bench/scores.ts';
import { answerIn, byTemperature, promptOfTurn } from '../mt-bench/turns.ts';
import type { BenchmarkResult, BenchmarkRow } from './result.ts';

/** The model's name in FastChat's files. */
export const POLICY = 'policy';

/** What a prompt of MT-Bench has with it, so that the responses are all that the judge needs. */
const turnSchema = z.looseObject({
  question: questionSchema,
  /** The reference answers to the question's turns, if its category has them. */
  reference: z.array(z.string()).optional(),
});

/** Questions, and answers by the question's id. */
interface Conversations {
  questions: Question[];
  answers: Map<number, QuestionAnswer>;
  references: Map<number, QuestionAnswer>;
}

/**
 * The prompts of a turn, by the temperature of their category.
 * @param turn counted from 0
 * @param answers to the turns before
 */
export function promptsOfTurn(
  { questions, answers, references }: Conversations,
  turn: number,
): { temperature: number; prompts: PromptRecord[] }[] {
  const open = questions.filter(({ turns }) => turn < turns.length);
  return byTemperature(open).map(({ temperature, questions: alike }) => ({
    temperature,
    prompts: alike.map((question) => {
      const { question_id: id } = question;
      const reference = references.get(id)?.choices[0].turns;
      const before = answers.get(id)?.choices[0].turns ?? [];
      return { ...promptOfTurn(question, turn, before), question, ...(reference && { reference }) };
    }),
  }));
}

/** The questions with the answers so far. @param rows responses to the prompts of `promptsOfTurn`, turn by turn */
export function conversationsOf(rows: SampledRecord[]): Conversations {
  const found: Conversations = { questions: [], answers: new Map(), references: new Map() };
  for (const row of rows) {
    const { question, reference } = turnSchema.parse(row);
    const { question_id: id } = question;
    const earlier = found.answers.get(id)?.choices[0].turns;
    if (!earlier) found.questions.push(question);
    found.answers.set(id, answerOf(id, POLICY, [...(earlier ?? []), answerIn(row.responses[0])]));
    if (reference) found.references.set(id, answerOf(id, 'reference', reference));
  }
  return found;
}

const answerOf = (question_id: number, model_id: string, turns: string[]): QuestionAnswer => ({
  question_id,
  model_id,
  choices: [{ index: 0, turns }],
});

/**
 * The mean ratings from 1 to 10: over all answers, by turn and by category, as FastChat's show_result.
 * @param asked the number of answers that the judge was shown
 * @throws InputError when no judgement has a rating
 */
export function mtBenchResult(judgements: QuestionJudgement[], questions: Question[], asked: number): BenchmarkResult {
  const categories = new Map(questions.map(({ question_id, category }) => [question_id, category]));
  const rated = judgements.filter(({ score }) => score !== UNRATED);
  if (rated.length === 0) throw new InputError('MT-Bench: no judgement has a rating; choose another judge.');
  const ofTurn = (turn: 1 | 2) => rated.filter((row) => row.turn === turn);
  const ofCategory = (name: string) => rated.filter(({ question_id }) => categories.get(question_id) === name);
  const rows = [
    rowOf('score', rated),
    rowOf('score_first_turn', ofTurn(1)),
    rowOf('score_second_turn', ofTurn(2)),
    ...[...new Set(categories.values())].map((name) => rowOf(`score_${name}`, ofCategory(name))),
  ].filter(({ count }) => count > 0);
  const unrated = asked - rated.length;
  return {
    benchmark: 'mt-bench',
    rows: [
      ...rows,
      ...(unrated > 0 ? [{ task: 'mt-bench', metric: 'unrated_answers', value: unrated, count: asked }] : []),
    ],
  };
}

/**
 * A mean of ratings. The turns of a question are not independent, so that its standard error is that of a ratio R = sum(s) / sum(n)
 * over questions with n ratings that sum to s: sqrt(q / (q - 1) * sum((s - R n)^2)) / sum(n), for q questions.
 */
function rowOf(metric: string, rated: QuestionJudgement[]): BenchmarkRow {
  const byQuestion = new Map<number, number[]>();
  for (const { question_id, score } of rated)
    byQuestion.set(question_id, [...(byQuestion.get(question_id) ?? []), score]);
  const count = rated.length;
  const value = sum(rated.map(({ score }) => score)) / count;
  const residuals = [...byQuestion.values()].map((ratings) => sum(ratings) - value * ratings.length);
  const questions = residuals.length;
  const error = Math.sqrt((questions / (questions - 1)) * sum(residuals.map((residual) => residual ** 2))) / count;
  return { task: 'mt-bench', metric, value, ...(questions > 1 && { error }), count };
}
