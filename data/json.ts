/** Strict JSON parser: no rounding, no replacement characters, no repeated keys, and errors with the cause. */
import { isUtf8 } from 'node:buffer';
import { InputError } from './errors.ts';

/** Decodes UTF-8. @throws InputError with the position of the first invalid byte, counted from 1 */
export function decodeUtf8(bytes: Buffer, where: string): string {
  if (isUtf8(bytes)) return bytes.toString('utf8');
  const replaced = Buffer.from(bytes.toString('utf8'));
  let at = replaced.findIndex((byte, i) => byte !== bytes[i]);
  // The invalid byte may be equal to the first byte of the replacement character.
  while ((replaced[at] & 0xc0) === 0x80) at--;
  const byte = bytes[at].toString(16).padStart(2, '0').toUpperCase();
  throw new InputError(`${where} is not UTF-8 at byte ${at + 1} (0x${byte}); convert the file to UTF-8.`);
}

/**
 * Parses JSON. Integers that a double does not represent exactly (from 2^53) become strings of their digits.
 * @param where names the text in errors
 * @param form what the text must be: the end of the error's sentence for a text that is not JSON
 * @throws InputError also for a repeated key in an object, and for an unpaired surrogate, which tokenizers reject
 */
export function parseJson(text: string, where: string, form: string): unknown {
  let value = jsonOf(text);
  if (value === undefined) throw new InputError(`${where} ${whyNotJson(text) ?? `is not JSON; ${form}`}`);
  if (/(?<![\d.])\d{16}|[eE]\+?\d{3}/.test(text)) value = JSON.parse(withExactNumbers(text, where));
  checkDepth(value, where);
  // A quotation mark before a colon ends a key, or is escaped in a string.
  if ((text.match(/"\s*:/g)?.length ?? 0) !== countKeys(value)) refuseRepeatedKey(text, where);
  if (/\\u[dD][89a-fA-F]/.test(text)) refuseHalfPairs(value, where, []);
  return value;
}

/** The value of a JSON text; undefined for a text that is not JSON. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Much deeper than real data, and much less than recursive functions can process. */
export const MAX_DEPTH = 256;

/** Whether a value is nested too deep for recursive functions, or contains itself. */
export function isTooDeep(value: unknown, depth = 0): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (depth === MAX_DEPTH) return true;
  // Tests the type first for speed: most values in a row are lists of numbers.
  const entries: unknown[] = Array.isArray(value) ? value : Object.values(value);
  return entries.some((entry) => typeof entry === 'object' && isTooDeep(entry, depth + 1));
}

/** @throws InputError when a value is nested too deep, or contains itself */
export function checkDepth(value: unknown, where: string): void {
  if (isTooDeep(value)) throw new InputError(`${where} is nested more than ${MAX_DEPTH} levels deep; make it flatter.`);
}

/** The string literals of a JSON text, and the text between them. V8's regular expressions fail on strings of megabytes. */
export function* partsOf(text: string): Generator<{ part: string; isString: boolean }> {
  for (let start = 0, end = 0; start < text.length; start = end) {
    const isString = text[start] === '"';
    end = isString ? endOfString(text, start) : text.indexOf('"', start);
    if (end < 0) end = text.length;
    yield { part: text.slice(start, end), isString };
  }
}

/** Index after the string's closing quote; -1 without one. */
function endOfString(text: string, start: number): number {
  for (let quote = text.indexOf('"', start + 1); quote >= 0; quote = text.indexOf('"', quote + 1)) {
    let backslashes = 0;
    while (text[quote - 1 - backslashes] === '\\') backslashes++;
    if (backslashes % 2 === 0) return quote + 1;
  }
  return -1;
}

function withExactNumbers(text: string, where: string): string {
  let exactly = '';
  for (const { part, isString } of partsOf(text)) {
    exactly += isString ? part : part.replace(/-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g, (number) => exact(number, where));
  }
  return exactly;
}

function exact(number: string, where: string): string {
  if (/^-?\d+$/.test(number)) return Number.isSafeInteger(Number(number)) ? number : `"${number}"`;
  if (Number.isFinite(Number(number))) return number;
  throw new InputError(`${where} has the number ${number}, which is too large; write it as a string.`);
}

function countKeys(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const entries: unknown[] = Array.isArray(value) ? value : Object.values(value);
  let count = Array.isArray(value) ? 0 : entries.length;
  // Tests the type first for speed: most values in a row are lists of numbers.
  for (const entry of entries) if (typeof entry === 'object') count += countKeys(entry);
  return count;
}

function refuseRepeatedKey(text: string, where: string): void {
  const objects: Set<string>[] = [];
  let last = '';
  for (const { part, isString } of partsOf(text)) {
    if (isString) {
      last = part;
      continue;
    }
    if (part.trimStart().startsWith(':')) {
      const name = JSON.parse(last) as string;
      if (objects.at(-1)!.has(name))
        throw new InputError(`${where} has the key "${name}" twice in an object; keep one.`);
      objects.at(-1)!.add(name);
    }
    for (const [brace] of part.matchAll(/[{}]/g)) {
      if (brace === '{') objects.push(new Set());
      else objects.pop();
    }
  }
}

function refuseHalfPairs(value: unknown, where: string, path: string[]): void {
  if (typeof value === 'string' && /\p{Surrogate}/u.test(value)) {
    throw new InputError(
      `${where} has half a surrogate pair in "${path.join('.')}", which is not text; remove or replace it.`,
    );
  }
  if (typeof value !== 'object' || value === null) return;
  for (const [key, entry] of Object.entries(value)) {
    refuseHalfPairs(key, where, [...path, key]);
    refuseHalfPairs(entry, where, [...path, key]);
  }
}

/** For a common mistake in a text that is not JSON: what is wrong, as the end of a sentence. */
function whyNotJson(text: string): string | undefined {
  const parts = [...partsOf(text)];
  // The content of an unclosed string is ignored.
  const strings = parts.filter(({ isString }) => isString);
  if (strings.some(({ part }) => part.length < 2 || !part.endsWith('"'))) return undefined;
  const bare = parts
    .filter(({ isString }) => !isString)
    .map(({ part }) => part)
    .join('""');
  const [constant] = /-?\b(?:NaN|Infinity)\b/.exec(bare) ?? [];
  if (constant) return `has ${constant}, which is not JSON; write null, or leave the field out.`;
  if (/'|\b(?:None|True|False)\b/.test(bare)) return 'is not JSON but Python; write it with json.dumps().';
  if (/,\s*[}\]]/.test(bare)) return 'has a comma before a closing bracket, which is not JSON; remove the comma.';
  if (/}\s*,\s*$/.test(bare)) return 'has a comma after its object; remove the comma.';
  if (/}\s*{/.test(bare)) return 'holds more than one JSON object; write one object per line.';
  if (strings.some(({ part }) => [...part].some((character) => character < ' '))) {
    return 'has a control character in a string, which is not JSON; escape it.';
  }
  if (/^\s*{\s*$/.test(bare)) return 'begins an object that goes on in the next line; write one object per line.';
  return undefined;
}
