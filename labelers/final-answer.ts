/**
 * The labeler for math word problems: compares the final number of a response with that of the reference answer (GSM8K, Cobbe et al.
 * 2021, arXiv 2110.14168).
 */
import { z } from 'zod';
import { InputError } from '../data/errors.ts';
import { finalNumber, isEqual, referenceNumber } from './final-number.ts';
import { labelerKind } from './labeler.ts';
import { programLabeler, type Rule } from './program.ts';

/** A number as text without an exponent, which JavaScript writes for very small and very large numbers. */
function numberText(number: number): string {
  if (Number.isInteger(number)) return String(BigInt(number));
  return String(number).includes('e') ? number.toFixed(20) : String(number);
}

/** The rule that compares with the number in the field `reference` of each prompt's row. */
export const finalNumberOfRow =
  ({ reference, marked }: { reference: string; marked: boolean }): Rule =>
  (prompt) => {
    const given = prompt[reference];
    const text = typeof given === 'number' ? numberText(given) : given;
    const right = typeof text === 'string' ? referenceNumber(text) : undefined;
    if (!right) {
      throw new InputError(
        typeof text === 'string' && /\p{N}/u.test(text)
          ? `The "${reference}" of prompt "${prompt.id}" is neither a number nor a text with only a number after "####" or in "\\boxed{}"; ` +
              'final-answer compares with nothing else.'
          : `Prompt "${prompt.id}" has no number in "${reference}"; final-answer compares with it.`,
      );
    }
    return (answer) => {
      const number = finalNumber(answer, marked);
      const pass = number !== undefined && isEqual(number, right);
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
        .describe(
          "Field of a prompt's row with the reference answer: a number or fraction, or a text with only such a number after `####` or in " +
            '`\\boxed{}`.',
        ),
      marked: z
        .boolean()
        .default(false)
        .describe(
          'Accept only a number directly after `####`. If false, the number directly after the last `####` or in the last `\\boxed{}` ' +
            'counts, whichever comes later, and without either the last number. `####` before words is a heading.',
        ),
    })
    .describe(
      'Compares the final number of a response with that of the reference answer, as GSM8K and MATH do. The score is 1 or 0. ' +
        'Numbers are compared by value: `1/2`, `\\frac{1}{2}` and `0.50` are equal. Thousands separators, currency and per cent signs and ' +
        'a final full stop are ignored: `$70,000.` equals `70000`, and `75 %` equals `75`, not `0.75`. A box with anything else than a ' +
        'number and its unit scores 0. Expressions such as `2\\sqrt{3}` are not compared.',
    ),
  create: (settings) => programLabeler('final-answer', finalNumberOfRow(settings)),
});
