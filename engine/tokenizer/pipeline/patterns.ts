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
  return new SplitPreTokenizer({ pattern: { Regex: expression } }).pattern;
}

/** Matches a text. */
export const literal = (text: string): RegExp => new RegExp(text.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`), 'gu');
