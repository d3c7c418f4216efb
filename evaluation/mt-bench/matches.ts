/** The prompts of MT-Bench's judge: the published templates for single-answer grading, filled in. */
import { InputError } from '../../data/errors.ts';
import type { Question, QuestionAnswer } from './files.ts';
import type { Message } from '../../data/records.ts';
import { fillTemplate, publishedTemplate } from '../../labelers/judge/templates.ts';

/** An answer to be judged (FastChat's match). The prompt for the second turn contains both turns, and the second is rated. */
export interface Match {
  question: Question;
  turn: 1 | 2;
  /** Name of the template. */
  template: string;
  messages: Message[];
}

/** Categories for which the judge gets a reference answer. */
const WITH_REFERENCE = ['math', 'reasoning', 'coding'];

/** Checks the reference answers. @throws InputError when a question needs a reference answer and has none */
export function checkReferences(questions: Question[], references: Map<number, QuestionAnswer>): void {
  for (const question of questions) referencesOf(question, references);
}

/** The matches of all answers. @throws InputError when a question has no answer, or needs a reference answer and has none */
export function matchesOf(
  questions: Question[],
  answers: Map<number, QuestionAnswer>,
  references: Map<number, QuestionAnswer>,
): Match[] {
  return questions.flatMap((question) => {
    const given = turnsOf(answers, question, 'answer');
    const reference = referencesOf(question, references);
    const turns = question.turns.length === 2 ? ([1, 2] as const) : ([1] as const);
    return turns.map((turn) => matchOf(question, turn, given, reference));
  });
}

function matchOf(question: Question, turn: 1 | 2, answers: string[], references: string[] | undefined): Match {
  const template = `single-${references ? 'math-' : ''}v1${turn === 2 ? '-multi-turn' : ''}`;
  const values = {
    question: question.turns[0],
    answer: answers[0],
    ...numbered('question', question.turns),
    ...numbered('answer', answers),
    ...numbered('ref_answer', references ?? []),
  };
  return { question, turn, template, messages: fillTemplate(publishedTemplate(template), values) };
}

const numbered = (name: string, texts: string[]): Record<string, string> =>
  Object.fromEntries(texts.map((text, i) => [`${name}_${i + 1}`, text]));

const referencesOf = (question: Question, references: Map<number, QuestionAnswer>): string[] | undefined =>
  WITH_REFERENCE.includes(question.category) ? turnsOf(references, question, 'reference answer') : undefined;

function turnsOf(answers: Map<number, QuestionAnswer>, { question_id, turns }: Question, what: string): string[] {
  const given = answers.get(question_id)?.choices[0].turns;
  if (given && given.length >= turns.length) return given;
  throw new InputError(
    `Question ${question_id} has ${given ? `only ${given.length} of ${turns.length} turns in its` : 'no'} ${what}; add it.`,
  );
}
