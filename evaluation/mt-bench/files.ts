/** MT-Bench's files in FastChat's format: questions, answers (model_answer) and judgements (model_judgment). */
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { InputError } from '../../data/errors.ts';
import { exists } from '../../data/file-errors.ts';
import { readJsonl } from '../../data/jsonl.ts';
import { findRepeated } from '../../data/repeated.ts';

const published = (name: string) => fileURLToPath(new URL(`../../examples/mt-bench/${name}.jsonl`, import.meta.url));

/** The 80 questions, and GPT-4's answers to those on math, reasoning and coding, which the judge gets as references. */
export const MT_BENCH = { questions: published('question'), references: published('reference_gpt4') };

export const questionSchema = z.object({
  question_id: z.int(),
  category: z.string().min(1),
  /** The user's messages; the assistant answers each. */
  turns: z.array(z.string().min(1)).min(1).max(2),
});
export type Question = z.infer<typeof questionSchema>;

const answerSchema = z.looseObject({
  question_id: z.int(),
  /** In files that selm writes, a hash of everything that the answer depends on. */
  answer_id: z.string().optional(),
  model_id: z.string(),
  /** Only the first is used. */
  choices: z.array(z.object({ index: z.int(), turns: z.array(z.string()).min(1) })).min(1),
});
export type QuestionAnswer = z.infer<typeof answerSchema>;

const judgementSchema = z.looseObject({
  question_id: z.int(),
  model: z.string(),
  /** The judge's name, and that of its prompt. */
  judge: z.tuple([z.string(), z.string()]),
  user_prompt: z.string(),
  judgment: z.string(),
  /** 1 to 10, or -1 if the judgement has no rating. */
  score: z.number(),
  turn: z.union([z.literal(1), z.literal(2)]),
});
export type QuestionJudgement = z.infer<typeof judgementSchema>;

/** Reads questions. @throws InputError also for a repeated id */
export async function readQuestions(path: string): Promise<Question[]> {
  const questions = await readJsonl(path, questionSchema);
  byQuestion(questions, path);
  return questions;
}

/** The answers of one model, by question. @throws InputError also for two answers to a question, or answers of two models */
export async function readAnswers(path: string): Promise<{ model: string; answers: Map<number, QuestionAnswer> }> {
  const rows = await readJsonl(path, answerSchema);
  const [{ model_id: model }] = rows;
  const other = rows.find(({ model_id }) => model_id !== model);
  if (other)
    throw new InputError(`${path} has answers of "${model}" and of "${other.model_id}"; give a file of one model's.`);
  return { model, answers: byQuestion(rows, path) };
}

/** Reads judgements. The list is empty if the file does not exist. */
export async function readJudgements(path: string): Promise<QuestionJudgement[]> {
  return exists(path) ? readJsonl(path, judgementSchema) : [];
}

function byQuestion<T extends { question_id: number }>(rows: T[], path: string): Map<number, T> {
  const repeated = findRepeated(rows.map(({ question_id }) => question_id));
  if (repeated) throw new InputError(`${path} has question ${repeated.key} twice; remove one.`);
  return new Map(rows.map((row) => [row.question_id, row]));
}
