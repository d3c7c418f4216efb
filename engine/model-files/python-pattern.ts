/** Python's regular expressions in JavaScript, which reads some of them as something else. */
import { compilePattern } from '../../data/patterns.ts';

/** What Python and JavaScript write differently, an escape, or a class of characters. */
const PART = /\\[^]|\[\^?\]?(?:\\[^]|[^\]\\])*\]|\(\?P<|\(\?P=(\w+)\)|\{,(\d+)\}/g;

/** Compiles the pattern for Python's re.fullmatch(). @throws SyntaxError when JavaScript has no such pattern */
export function fullmatchPattern(source: string): RegExp {
  const translated = source.replace(PART, (part, group: string | undefined, most: string | undefined) => {
    if (part === '\\A') return '^';
    if (part === '\\Z') return '$';
    if (part === '(?P<') return '(?<';
    if (group !== undefined) return `\\k<${group}>`;
    return most === undefined ? part : `{0,${most}}`;
  });
  return compilePattern(`^(?:${translated})$`);
}
