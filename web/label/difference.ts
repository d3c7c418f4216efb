/** The difference of two texts: the words of each that the other does not have at that place (Myers, by jsdiff). */
import { diffArrays } from 'diff';

/** A part of a text. */
export interface Part {
  text: string;
  differs: boolean;
}

/**
 * Differences that are searched for at most. The time grows with the square: this many take about 0.1 s, whatever the length of the
 * texts.
 */
const MOST_DIFFERENCES = 600;

/** Scripts without spaces between words, which are compared by character. */
const UNSPACED = ['Han', 'Hiragana', 'Katakana', 'Thai', 'Khmer', 'Lao', 'Myanmar']
  .map((name) => `\\p{sc=${name}}`)
  .join('');
/** Words and other characters, each with the space after it. */
const WORDS = new RegExp(`\\s+|(?:[${UNSPACED}]|(?:(?![${UNSPACED}])[\\p{L}\\p{M}\\p{N}_])+|[^])\\s*`, 'gu');
/** Lines, and sentences in them. */
const SENTENCES = /\s+|[^\n.!?。！？]+[.!?。！？]*\s*|[.!?。！？]+\s*/g;

/**
 * The parts of two texts, which joined give the texts. White space makes no difference.
 * @returns undefined if the texts have nothing in common, or differ in too many places for a comparison by words and by sentences
 */
export function difference(first: string, second: string): [Part[], Part[]] | undefined {
  for (const unit of [WORDS, SENTENCES]) {
    const texts = [first, second].map((text) => text.match(unit) ?? []);
    const [a, b] = texts.map((tokens) => tokens.map((token) => token.trim()));
    const changes = diffArrays(a, b, { maxEditLength: MOST_DIFFERENCES });
    if (!changes?.some(({ added, removed }) => !added && !removed)) continue;
    const sides: [Part[], Part[]] = [[], []];
    const next = [0, 0];
    for (const { count, added, removed } of changes) {
      for (const side of [0, 1]) {
        if (side === 0 ? added : removed) continue;
        const text = texts[side].slice(next[side], (next[side] += count)).join('');
        sides[side].push({ text, differs: added || removed });
      }
    }
    return sides;
  }
  return undefined;
}
