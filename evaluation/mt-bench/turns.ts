/** The turns of MT-Bench's conversations: their temperatures, their prompts, and the answers to them. */
import type { Message } from '../../data/records.ts';
import type { Question } from './files.ts';

/** By category: FastChat's `temperature_config`. */
const TEMPERATURES: Record<string, number> = {
  writing: 0.7,
  roleplay: 0.7,
  extraction: 0,
  math: 0,
  coding: 0,
  reasoning: 0,
  stem: 0.1,
  humanities: 0.1,
};
/** The temperature for all other categories. */
const OTHER_TEMPERATURE = 0.7;

/** The sampling temperature for a question. */
export const temperatureOf = ({ category }: Question): number => TEMPERATURES[category] ?? OTHER_TEMPERATURE;

/** The questions of each temperature. Questions and temperatures keep their order. */
export const byTemperature = (questions: Question[]): { temperature: number; questions: Question[] }[] =>
  [...new Set(questions.map(temperatureOf))].map((temperature) => ({
    temperature,
    questions: questions.filter((question) => temperatureOf(question) === temperature),
  }));

/**
 * The prompt of a turn, which includes the earlier turns.
 * @param turn counted from 0
 * @param answers to the earlier turns
 */
export const promptOfTurn = (
  { question_id, turns }: Question,
  turn: number,
  answers: string[],
): { id: string; prompt: Message[] } => ({
  id: `question ${question_id}, turn ${turn + 1}`,
  prompt: turns
    .slice(0, turn + 1)
    .flatMap((content, i): Message[] => [
      { role: 'user', content },
      ...(i < turn ? [{ role: 'assistant' as const, content: answers[i] }] : []),
    ]),
});

/** The answer to a turn, of the response to its prompt. */
export const answerIn = ({ text }: { text: string }): string => text.trim();
