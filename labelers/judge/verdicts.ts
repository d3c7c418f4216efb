/** What a judge has decided, read from its words. Where that is not clear it has decided nothing. */
import type { ChatAnswer } from '../../openai/client/chat-answer.ts';
import { withoutThought } from './thoughts.ts';

/** A: the answer that was shown first is better. C: neither. */
export type Preferred = 'A' | 'B' | 'C';

/**
 * What of a judge's answer may hold its verdict: no thought. An answer that was cut may be a thought whose opening stands in the
 * judge's chat template: its verdict counts only where the first or the last line ends with it.
 */
export function conclusionOf({ text, finishReason }: Pick<ChatAnswer, 'text' | 'finishReason'>): string {
  const said = withoutThought(text);
  const lines = said.split('\n');
  const isConclusive = finishReason !== 'length' || [lines[0], lines.at(-1)!].some((line) => /\]\W*$/.test(line));
  return isConclusive ? said : '';
}

/** The one verdict `[[A]]`, `[[B]]` or `[[C]]` in a text; none where there is none, or where there are different ones. */
export function preferredIn(text: string): Preferred | undefined {
  return theOnly([...text.matchAll(/\[\[[\s*]*([ABC])[\s*]*\]\]/g)].map(([, verdict]) => verdict as Preferred));
}

const LOWEST = 1;
const HIGHEST = 10;

/** The one rating `[[N]]`, or `[[N/10]]`, from 1 to 10 in a text; none where there is none, or where there are different ones. */
export function ratingIn(text: string): number | undefined {
  const ratings = text.matchAll(/\[\[[\s*]*(\d+(?:\.\d+)?)(?:\s*\/\s*10)?[\s*]*\]\]/g);
  const rating = theOnly([...ratings].map(([, number]) => Number(number)));
  return rating !== undefined && rating >= LOWEST && rating <= HIGHEST ? rating : undefined;
}

function theOnly<T>(found: T[]): T | undefined {
  return new Set(found).size === 1 ? found[0] : undefined;
}
