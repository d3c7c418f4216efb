/** MT-Bench's files as FastChat has them: questions, answers (its model_answer), judgements (its model_judgment). */
import { z } from 'zod';
import { InputError } from './errors.ts';
import { exists } from './file-errors.ts';
import { readJsonl } from './jsonl.ts';

const questionSchema = z.object({
  question_id: z.int(),
  category: z.string().min(1),
  /** What the user says, one after the other; the assistant answers after each. */
  turns: z.array(z.string().min(1)).min(1).max(2),
});
export type Question = z.infer<typeof questionSchema>;

const answerSchema = z.looseObject({
  question_id: z.int(),
  /** Of selm's own: a hash of all that the answer depends on. */
  answer_id: z.string().optional(),
  model_id: z.string(),
  /** Only the first is looked at. */
  choices: z.array(z.object({ index: z.int(), turns: z.array(z.string()).min(1) })).min(1),
});
export type QuestionAnswer = z.infer<typeof answerSchema>;

const judgementSchema = z.looseObject({
  question_id: z.int(),
  model: z.string(),
  /** Who judged, and the name of the prompt. */
  judge: z.tuple([z.string(), z.string()]),
  user_prompt: z.string(),
  judgment: z.string(),
  /** 1 to 10, or -1 where no rating was found in the judgement. */
  score: z.number(),
  turn: z.union([z.literal(1), z.literal(2)]),
});
export type QuestionJudgement = z.infer<typeof judgementSchema>;

/** @throws InputError also for an id that stands there twice */
export async function readQuestions(path: string): Promise<Question[]> {
  const questions = await readJsonl(path, questionSchema);
  byQuestion(questions, path);
  return questions;
}

/** The answers of one model by question. @throws InputError also where there are two to a question, or of two models */
export async function readAnswers(path: string): Promise<{ model: string; answers: Map<number, QuestionAnswer> }> {
  const rows = await readJsonl(path, answerSchema);
  const [{ model_id: model }] = rows;
  const other = rows.find(({ model_id }) => model_id !== model);
  if (other)
    throw new InputError(`${path} has answers of "${model}" and of "${other.model_id}"; give a file of one model's.`);
  return { model, answers: byQuestion(rows, path) };
}

/** None where there is no such file yet. */
export async function readJudgements(path: string): Promise<QuestionJudgement[]> {
  return exists(path) ? readJsonl(path, judgementSchema) : [];
}

function byQuestion<T extends { question_id: number }>(rows: T[], path: string): Map<number, T> {
  const found = new Map<number, T>();
  for (const row of rows) {
    if (found.has(row.question_id)) throw new InputError(`${path} has question ${row.question_id} twice; remove one.`);
    found.set(row.question_id, row);
  }
  return found;
}
