/**
 * Splits text into words like the reference checker: NLTK's word_tokenize, which applies the Treebank conventions to each sentence. The
 * substitutions are those of nltk/tokenize/destructive.py (NLTK 3.9.1), in the same order.
 */
import { BOUNDARY, python, pythonPattern, WORD } from '../../ports/python.ts';
import { splitSentences } from '../../ports/punkt/sentences.ts';

const SPACES = python(/\s+/gu);

const QUOTES_AND_PUNCTUATION: [RegExp, string][] = [
  [/([«“‘„]|`+)/gu, ' $1 '],
  [/^"/gu, '``'],
  [/(``)/gu, ' $1 '],
  [/([ ([{<])("|'{2})/gu, '$1 `` '],
  [new RegExp(`'(?!re|ve|ll|m|t|s|d|n)(${WORD})${BOUNDARY}`, 'giu'), "' $1"],
  [python(/([^.])(\.)([\])}>"'»”’ ]*)\s*$/gu), '$1 $2 $3 '],
  [/([:,])(\P{Nd})/gu, ' $1 $2'],
  [/([:,])$/gu, ' $1 '],
  [/\.{2,}/gu, ' $& '],
  [/[;@#$%&]/gu, ' $& '],
  [python(/([^.])(\.)([\])}>"']*)\s*$/gu), '$1 $2$3 '],
  [/[?!]/gu, ' $& '],
  [/([^'])' /gu, "$1 ' "],
  [/[*]/gu, ' $& '],
  [/[[\](){}<>]/gu, ' $& '],
  [/--/gu, ' -- '],
];

/** These substitutions require a space at both ends of the sentence. */
const ENDINGS: [RegExp, string][] = [
  [/([»”’])/gu, ' $1 '],
  [/''/gu, " '' "],
  [/"/gu, " '' "],
  [SPACES, ' '],
  [/([^' ])('s|'m|'d|') /giu, '$1 $2 '],
  [/([^' ])('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) /gu, '$1 $2 '],
];

/** Contractions that are split into two words, such as "cannot". */
const CONTRACTIONS: [RegExp, string][] = [
  ...['(can)(not)', "(d)('ye)", '(gim)(me)', '(gon)(na)', '(got)(ta)', '(lem)(me)', "(more)('n)"].map(
    (words): [RegExp, string] => [new RegExp(BOUNDARY + words + BOUNDARY, 'giu'), ' $1 $2 '],
  ),
  [pythonPattern(String.raw`${BOUNDARY}(wan)(na)(?=\s)`, 'giu'), ' $1 $2 '],
  [new RegExp(` ('t)(is|was)(?!${WORD})`, 'giu'), ' $1 $2 '],
];

/** The words and punctuation marks of an English text. */
export function splitWords(text: string): string[] {
  return splitSentences(text).flatMap((sentence) => {
    const spaced = ` ${substitute(sentence, QUOTES_AND_PUNCTUATION)} `;
    return substitute(substitute(spaced, ENDINGS), CONTRACTIONS).split(SPACES).filter(Boolean);
  });
}

function substitute(text: string, substitutions: [RegExp, string][]): string {
  return substitutions.reduce((result, [pattern, replacement]) => result.replace(pattern, replacement), text);
}
