/**
 * Python's notions of text, where JavaScript's differ: the reference checker is written in Python, and its verdicts hang on
 * what counts as a word, a space or a capital. For use in patterns with the u flag; `[^\n]` stands for Python's dot.
 */

/** Python's `\w`: letters and numbers of any script, without the marks that JavaScript's properties would add. */
export const WORD = String.raw`[\p{L}\p{N}_]`;

/** Python's `\b`: JavaScript's knows ASCII only. */
export const BOUNDARY = `(?:(?<=${WORD})(?!${WORD})|(?<!${WORD})(?=${WORD}))`;

/** `str.isupper()`: at least one capital and nothing lower case. */
export function isUpper(text: string): boolean {
  return /\p{Uppercase}/u.test(text) && !/[\p{Lowercase}\p{Lt}]/u.test(text);
}

/** `str.islower()`: at least one lower-case letter and no capital. */
export function isLower(text: string): boolean {
  return /\p{Lowercase}/u.test(text) && !/[\p{Uppercase}\p{Lt}]/u.test(text);
}

/** `text.strip(chars)`. */
export function strip(text: string, chars: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && chars.includes(text[start])) start++;
  while (end > start && chars.includes(text[end - 1])) end--;
  return text.slice(start, end);
}

/** How often `pattern`, which must be global, matches: `len(re.findall(pattern, text))`. */
export function count(text: string, pattern: RegExp): number {
  return text.match(pattern)?.length ?? 0;
}
