/**
 * Exact JSON values, for messages and tools, which chat templates write as Python does. JavaScript's values lose that `0.0` is a float, the
 * digits of integers from 2^53, and the place of keys such as "10" among others. An exact value has a string in their place: MARK, then
 * the text of the number or key. So it is a plain JSON value, which survives copies, comparisons and temporary files; `toJson` writes
 * what was read.
 */
import { parseJson, partsOf } from './json.ts';

/** A Unicode noncharacter: no text begins with it. */
const MARK = '\ufdd2';

const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
/** A key that JavaScript puts before others: an index of an array. */
const INDEX = /^\d{1,10}$/;
const EXACT = new RegExp(`^${MARK}(-?\\d[-+.\\deE]*)$`);
// A quotation mark inside a string has a backslash before it.
const MARKED = new RegExp(`(?<!\\\\)"${MARK}([-+.\\deE]+)"(:?)`, 'g');

/** The exact value of a text. @throws SyntaxError when it is not JSON */
export const exactJson = (text: string): unknown => JSON.parse(mayLose(text) ? marked(text) : text);

/** Whether JSON.parse may lose something of a text. A quick test: of most texts it loses nothing. */
export const mayLose = (text: string): boolean => /\d{16}|\d\.0|\d[eE]|"\d{1,10}"\s*:|\\u003\d/.test(text);

/** A value that may be exact as JSON, with the numbers and keys that were read. @param indent as in JSON.stringify */
export function toJson(value: unknown, indent?: number): string {
  const text = JSON.stringify(value, null, indent);
  if (!text.includes(MARK)) return text;
  return text.replaceAll(MARKED, (_, exact: string, colon: string) => (colon ? `"${exact}":` : exact));
}

/** An exact value as parseJson reads it. */
export const plainOf = <T>(value: T): T =>
  JSON.stringify(value).includes(MARK) ? (parseJson(toJson(value), '', '') as T) : value;

/** The text of a number that is a string in an exact value; undefined for any other string. */
export const exactNumber = (value: string): string | undefined => EXACT.exec(value)?.[1];

/** The number with this text in an exact value. */
export const markNumber = (text: string): string | number => (isLost(text) ? MARK + text : Number(text));

/** The key in an exact value. */
export const markKey = (key: string): string => (INDEX.test(key) ? MARK + key : key);

/** A key of an exact value, as it was read. */
export const unmarkKey = (key: string): string => exactNumber(key) ?? key;

/** Whether JavaScript reads a number as another one, or a float as an integer. */
const isLost = (text: string): boolean =>
  /^-?\d+$/.test(text) ? !Number.isSafeInteger(Number(text)) : Number.isInteger(Number(text));

/** The text with strings in place of the numbers and keys that would be lost. */
function marked(text: string): string {
  let result = '';
  let last = '';
  for (const { part, isString } of partsOf(text)) {
    if (isString) last = part;
    else {
      result +=
        last === ''
          ? ''
          : part.trimStart().startsWith(':')
            ? JSON.stringify(markKey(JSON.parse(last) as string))
            : last;
      last = '';
      result += part.replaceAll(NUMBER, (number) => (isLost(number) ? JSON.stringify(MARK + number) : number));
    }
  }
  return result + last;
}
