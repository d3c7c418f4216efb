/** Reads the verdict or rating from a judge's answer; an ambiguous answer has none. */
import type { ChatAnswer } from '../../openai/client/chat-answer.ts';
import { withoutThought } from './thoughts.ts';

/** A: the answer that was shown first is better. C: a tie. */
export type Preferred = 'A' | 'B' | 'C';

/**
 * The part of a judge's answer that may have its verdict: without thoughts. An answer that was cut may be a thought whose opening is in
 * the chat template: its verdict counts only at the end of the first or the last line.
 */
export function conclusionOf({ text, finishReason }: Pick<ChatAnswer, 'text' | 'finishReason'>): string {
  const said = withoutThought(text);
  const lines = said.split('\n');
  const isConclusive = finishReason !== 'length' || [lines[0], lines.at(-1)!].some((line) => /\]\W*$/.test(line));
  return isConclusive ? said : '';
}

/** The verdict `[[A]]`, `[[B]]` or `[[C]]` in a text; undefined without one, or with contradictory ones. */
export function preferredIn(text: string): Preferred | undefined {
  return theOnly([...text.matchAll(/\[\[[\s*]*([ABC])[\s*]*\]\]/g)].map(([, verdict]) => verdict as Preferred));
}

const LOWEST = 1;
const HIGHEST = 10;

/** The rating `[[N]]` or `[[N/10]]`, from 1 to 10, in a text; undefined without one, or with contradictory ones. */
export function ratingIn(text: string): number | undefined {
  const ratings = text.matchAll(/\[\[[\s*]*(\d+(?:\.\d+)?)(?:\s*\/\s*10)?[\s*]*\]\]/g);
  const rating = theOnly([...ratings].map(([, number]) => Number(number)));
  return rating !== undefined && rating >= LOWEST && rating <= HIGHEST ? rating : undefined;
}

function theOnly<T>(found: T[]): T | undefined {
  return new Set(found).size === 1 ? found[0] : undefined;
}
