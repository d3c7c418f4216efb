/**
 * Python's string methods and regular-expression classes that differ from JavaScript's: word characters, white space, capitals. For
 * patterns with the u flag. Python's dot is `[^\n]`.
 */

/** Python's `\w`: letters and numbers of all scripts, without combining marks. */
export const WORD = String.raw`[\p{L}\p{N}_]`;

/** Python's `\b`. JavaScript's is ASCII only. */
export const BOUNDARY = `(?:(?<=${WORD})(?!${WORD})|(?<!${WORD})(?=${WORD}))`;

/** Python's white space, for a character class. It contains U+001C to U+001F and U+0085, but not U+FEFF. */
const SPACES = String.raw`\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000`;
const IS_SPACE = new RegExp(`[${SPACES}]`, 'u');

/** Compiles a pattern with Python's `\s` and `\S`. Exception: `\S` inside a character class has JavaScript's meaning. */
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

/** Converts a regular expression literal to Python's white space. */
export const python = ({ source, flags }: RegExp): RegExp => pythonPattern(source, flags);

/** Python's `text.rstrip()`. */
export function trimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && IS_SPACE.test(text[end - 1])) end--;
  return text.slice(0, end);
}

/** Python's `text.strip()`. */
export function trim(text: string): string {
  let start = 0;
  while (start < text.length && IS_SPACE.test(text[start])) start++;
  return trimEnd(text.slice(start));
}

/** Python's `text.isupper()`: at least one capital and no lower-case letter. */
export function isUpper(text: string): boolean {
  return /\p{Uppercase}/u.test(text) && !/[\p{Lowercase}\p{Lt}]/u.test(text);
}

/** Python's `text.islower()`: at least one lower-case letter and no capital. */
export function isLower(text: string): boolean {
  return /\p{Lowercase}/u.test(text) && !/[\p{Uppercase}\p{Lt}]/u.test(text);
}

/** Python's `text.rstrip(chars)`. */
export function stripEnd(text: string, chars: string): string {
  let end = text.length;
  while (end > 0 && chars.includes(text[end - 1])) end--;
  return text.slice(0, end);
}

/** Python's `text.strip(chars)`. */
export function strip(text: string, chars: string): string {
  let start = 0;
  while (start < text.length && chars.includes(text[start])) start++;
  return stripEnd(text.slice(start), chars);
}

/** Python's `len(re.findall(pattern, text))`. @param pattern must have the g flag */
export function count(text: string, pattern: RegExp): number {
  return text.match(pattern)?.length ?? 0;
}
