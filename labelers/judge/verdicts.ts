/** Parses the verdict or rating in a judge's answer. An ambiguous answer has none. */
import type { ChatAnswer } from '../../openai/client/chat-answer.ts';
import { withoutThought } from './thoughts.ts';

/** A: the answer shown first is better. B: the answer shown second is better. C: a tie. */
export type Preferred = 'A' | 'B' | 'C';

/**
 * The part of a judge's answer that may contain the verdict: the text without thoughts. A truncated answer may be a thought whose
 * opening marker is in the chat template. Its verdict is used only if it is at the end of the first or the last line.
 */
export function conclusionOf({ text, finishReason }: Pick<ChatAnswer, 'text' | 'finishReason'>): string {
  const said = withoutThought(text);
  const lines = said.split('\n');
  const isConclusive = finishReason !== 'length' || [lines[0], lines.at(-1)!].some((line) => /\]\W*$/.test(line));
  return isConclusive ? said : '';
}

/** A bracket as Markdown escapes it. */
const ESCAPED = /\\([[\]])/g;

/** The verdict `[[A]]`, `[[B]]` or `[[C]]` in a text; undefined without a verdict or with contradictory verdicts. */
export function preferredIn(text: string): Preferred | undefined {
  return theOnly(
    [...text.replaceAll(ESCAPED, '$1').matchAll(/\[\[[\s*]*([ABC])[\s*]*\]\]/g)].map(
      ([, verdict]) => verdict as Preferred,
    ),
  );
}

const LOWEST = 1;
const HIGHEST = 10;

/** The rating `[[N]]` or `[[N/10]]`, from 1 to 10, in a text; undefined without a rating or with contradictory ratings. */
export function ratingIn(text: string): number | undefined {
  const ratings = text.replaceAll(ESCAPED, '$1').matchAll(/\[\[[\s*]*(\d+(?:\.\d+)?)(?:\s*\/\s*10)?[\s*]*\]\]/g);
  const rating = theOnly([...ratings].map(([, number]) => Number(number)));
  return rating !== undefined && rating >= LOWEST && rating <= HIGHEST ? rating : undefined;
}

function theOnly<T>(found: T[]): T | undefined {
  return new Set(found).size === 1 ? found[0] : undefined;
}
