/**
 * Python's notions of text, where JavaScript's differ: the reference checker is written in Python, and its verdicts hang on
 * what counts as a word, a space or a capital. For use in patterns with the u flag; `[^\n]` stands for Python's dot.
 */

/** Python's `\w`: letters and numbers of any script, without the marks that JavaScript's properties would add. */
export const WORD = String.raw`[\p{L}\p{N}_]`;

/** Python's `\b`: JavaScript's knows ASCII only. */
export const BOUNDARY = `(?:(?<=${WORD})(?!${WORD})|(?<!${WORD})(?=${WORD}))`;

/** What is white space, for a character class: U+001C to U+001F and U+0085 are, U+FEFF is not. */
const SPACES = String.raw`\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000`;
const IS_SPACE = new RegExp(`[${SPACES}]`, 'u');

/** A pattern whose `\s` and `\S` are Python's; `\S` inside a class stays JavaScript's. */
export function pythonPattern(source: string, flags: string): RegExp {
  let inClass = false;
  const translated = source.replace(/\\[^]|[[\]]/gu, (part) => {
    if (part === '[') inClass = true;
    if (part === ']') inClass = false;
    if (part === '\\s') return inClass ? SPACES : `[${SPACES}]`;
    return part === '\\S' && !inClass ? `[^${SPACES}]` : part;
  });
  return new RegExp(translated, flags);
}

/** A pattern of this program's own, with Python's white space. */
export const python = ({ source, flags }: RegExp): RegExp => pythonPattern(source, flags);

/** `text.rstrip()`. */
export function trimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && IS_SPACE.test(text[end - 1])) end--;
  return text.slice(0, end);
}

/** `text.strip()`. */
export function trim(text: string): string {
  let start = 0;
  while (start < text.length && IS_SPACE.test(text[start])) start++;
  return trimEnd(text.slice(start));
}

/** `str.isupper()`: at least one capital and nothing lower case. */
export function isUpper(text: string): boolean {
  return /\p{Uppercase}/u.test(text) && !/[\p{Lowercase}\p{Lt}]/u.test(text);
}

/** `str.islower()`: at least one lower-case letter and no capital. */
export function isLower(text: string): boolean {
  return /\p{Lowercase}/u.test(text) && !/[\p{Uppercase}\p{Lt}]/u.test(text);
}

/** `text.rstrip(chars)`. */
export function stripEnd(text: string, chars: string): string {
  let end = text.length;
  while (end > 0 && chars.includes(text[end - 1])) end--;
  return text.slice(0, end);
}

/** `text.strip(chars)`. */
export function strip(text: string, chars: string): string {
  let start = 0;
  while (start < text.length && chars.includes(text[start])) start++;
  return stripEnd(text.slice(start), chars);
}

/** How often `pattern`, which must be global, matches: `len(re.findall(pattern, text))`. */
export function count(text: string, pattern: RegExp): number {
  return text.match(pattern)?.length ?? 0;
}
