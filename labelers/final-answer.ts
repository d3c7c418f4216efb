/**
 * The labeler for math word problems: compares the final number of a response with that of the reference answer (GSM8K, Cobbe et al.
 * 2021, arXiv 2110.14168).
 */
import { z } from 'zod';
import { InputError } from '../data/errors.ts';
import type { PromptRecord } from '../data/records.ts';
import { labelerKind } from './labeler.ts';
import { programLabeler, type Rule } from './program.ts';

/**
 * Matches a number. A hyphen directly after a digit, a letter or a closing bracket is not a sign: it is a hyphen between words or a
 * minus between numbers. Chinese and Japanese letters are excepted, because these languages write no space before a sign.
 */
const NUMBER =
  /(?:(?<!(?![\p{sc=Han}\p{sc=Hira}\p{sc=Kana}])[\p{L}\p{N}%°)\]]|\p{N}\p{Sc})-)?\p{Sc}?(?:\d[\d,]*(?:\.\d+)?|\.\d+)/gu;
const MARK = '####';

/** Replaces non-ASCII digits, signs and separators (of other scripts and of typesetting) with ASCII. */
function toAscii(text: string): string {
  return text
    .replace(/(?!\d)\p{Nd}/gu, asciiDigit)
    .replace(/[\u2010-\u2013\u2212\ufe63\uff0d]/g, '-')
    .replace(/[\u066b\uff0e]/g, '.')
    .replace(/(?<=\d)[\u00a0\u066c\u2009\u202f\uff0c](?=\d{3}(?!\d))/g, ',');
}

/** The ASCII form of a decimal digit. In Unicode, the digits of a script are contiguous, from 0 to 9. */
function asciiDigit(digit: string): string {
  const code = digit.codePointAt(0)!;
  let zero = code;
  while (/\p{Nd}/u.test(String.fromCodePoint(zero - 1))) zero--;
  return String((code - zero) % 10);
}

/** The normal form of a number: without thousands separators, currency signs, leading and trailing zeros. */
function canonical(number: string): string {
  const [integer, fraction = ''] = number.replace(/[^\d.]/g, '').split('.');
  const [whole, part] = [integer.replace(/^0+/, '') || '0', fraction.replace(/0+$/, '')];
  const digits = part === '' ? whole : `${whole}.${part}`;
  return number.startsWith('-') && digits !== '0' ? `-${digits}` : digits;
}

/** The number after the last `####`. Without `####`: the last number of the text, or undefined if `marked` is true. */
function finalNumber(text: string, marked: boolean): string | undefined {
  const at = text.lastIndexOf(MARK);
  if (at < 0 && marked) return undefined;
  const numbers = toAscii(at < 0 ? text : text.slice(at + MARK.length)).match(NUMBER);
  const number = at < 0 ? numbers?.at(-1) : numbers?.[0];
  return number === undefined ? undefined : canonical(number);
}

/** A number as text without an exponent, which JavaScript writes for very small numbers. */
const numberText = (number: number) => (String(number).includes('e') ? number.toFixed(20) : String(number));

/** A text that is a number and nothing else, but a currency or per cent sign. */
const ONLY_NUMBER = /^[-+]?\p{Sc}?[-+]?(\d{1,3}(,\d{3})+(\.\d+)?|\d+(\.\d+)?|\.\d+)\s?[\p{Sc}%]?\.?$/u;

/**
 * Checks that the number in a row's `answer` is all of the answer. In others, such as "1/2" or "2\\sqrt{3}", only the last number would
 * count, and a response with the right answer would be wrong.
 * @throws InputError when it is neither a number nor a text that ends with `#### N`
 */
export function checkOnlyNumber({ id, answer }: PromptRecord): void {
  if (typeof answer !== 'string') return;
  const number = toAscii(answer.split(MARK).at(-1)!.trim());
  if (!ONLY_NUMBER.test(number) && /\d/.test(number)) {
    throw new InputError(
      `The "answer" of prompt "${id}" is neither a number nor a text that ends with "#### N"; only its last number would be compared.`,
    );
  }
}

/** The rule that compares with the number in the field `reference` of each prompt's row. */
export const finalNumberOfRow =
  ({ reference, marked }: { reference: string; marked: boolean }): Rule =>
  (prompt) => {
    const given = prompt[reference];
    const text = typeof given === 'number' ? numberText(given) : given;
    const right = finalNumber(typeof text === 'string' ? text : '', false);
    if (right === undefined) {
      throw new InputError(`Prompt "${prompt.id}" has no number in "${reference}"; final-answer compares with it.`);
    }
    return (answer) => {
      const pass = finalNumber(answer, marked) === right;
      return { score: Number(pass), pass };
    };
  };

/** The score is 1 if the final number equals that of the reference answer, otherwise 0. */
export const finalAnswer = labelerKind({
  schema: z
    .strictObject({
      by: z.literal('final-answer'),
      reference: z
        .string()
        .min(1)
        .default('answer')
        .describe("Field of a prompt's row with the reference answer: a number, or a text that ends with `#### N`."),
      marked: z
        .boolean()
        .default(false)
        .describe('Accept only a number after `####`. If false, the last number counts in a response without `####`.'),
    })
    .describe(
      'Compares the final number of a response with that of the reference answer, as GSM8K does. The score is 1 or 0.',
    ),
  create: (settings) => programLabeler('final-answer', finalNumberOfRow(settings)),
});
