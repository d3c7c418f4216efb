/** Patterns of tokenizer.json as regular expressions of JavaScript. */
import * as library from '@huggingface/tokenizers';
import { settingsOf, type Settings } from './settings.ts';

// TypeScript does not find the library's own declaration of this class.
const { SplitPreTokenizer } = library as unknown as {
  SplitPreTokenizer: new (settings: Settings) => { pattern: RegExp };
};

/** The `pattern` of a part: a text, or an expression of Oniguruma, which @huggingface/tokenizers translates. */
export function patternOf(settings: Settings): RegExp {
  const { String: text, Regex: expression } = settingsOf(settings['pattern'], 'a pattern');
  if (typeof text === 'string') return literal(text);
  if (typeof expression !== 'string') throw new Error('a pattern is neither a text nor an expression');
  const { source } = new SplitPreTokenizer({ pattern: { Regex: expression } }).pattern;
  return new RegExp(corrected(source, expression), 'gu');
}

/** What the library writes for `^`, and what it means: no line begins at the end of a text. */
const LINE_START = String.raw`(?:(?<![\s\S])|(?<=\n))`;
const LINE_START_IN_TEXT = String.raw`(?:(?<![\s\S])|(?<=\n)(?=[\s\S]))`;

/** In `(?i:…)`, s is also the long s, and k the sign of kelvin. */
function corrected(source: string, expression: string): string {
  const anchored = source.replaceAll(LINE_START, LINE_START_IN_TEXT);
  return expression.includes('(?i:') ? anchored.replaceAll('[sS]', '[sSſ]').replaceAll('[kK]', '[kK\u212a]') : anchored;
}

/** Matches a text. */
export const literal = (text: string): RegExp =>
  new RegExp(text.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`), 'gu');
