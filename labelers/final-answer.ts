/** The labeler of word problems: the number that an answer ends with is the reference answer's (GSM8K, Cobbe et al. 2021, arXiv 2110.14168). */
import { z } from 'zod';
import { InputError } from '../data/errors.ts';
import { labelerKind } from './labeler.ts';
import { programLabeler } from './program.ts';

const NUMBER = /-?\$?(?:\d[\d,]*(?:\.\d+)?|\.\d+)/g;
const MARK = '####';

/** The number as its data set's checkers compare it: without thousands' commas, dollar signs and a trailing dot. */
function numberIn(text: string): number | undefined {
  const [first] = text.match(NUMBER) ?? [];
  return first === undefined ? undefined : Number(first.replace(/[$,]/g, ''));
}

/** The number behind the last `####`; without one, the last number of the text where `marked` is not asked for. */
export function finalNumber(text: string, marked: boolean): number | undefined {
  const at = text.lastIndexOf(MARK);
  if (at >= 0) return numberIn(text.slice(at + MARK.length));
  return marked ? undefined : numberIn(text.match(NUMBER)?.at(-1) ?? '');
}

/** 1 for the right number, 0 for another or none. */
export const finalAnswer = labelerKind({
  schema: z
    .strictObject({
      by: z.literal('final-answer'),
      reference: z
        .string()
        .min(1)
        .default('answer')
        .describe("Field of a prompt's row with the reference answer: a number, or a text that ends in `#### N`."),
      marked: z
        .boolean()
        .default(false)
        .describe('Only take the number behind `####`. Else it is the last number where there is no such mark.'),
    })
    .describe("Compares an answer's final number with the reference answer's, as GSM8K does: 1 or 0."),
  create: ({ reference, marked }) =>
    programLabeler('final-answer', (prompt) => {
      const given = prompt[reference];
      const right = typeof given === 'number' ? given : finalNumber(typeof given === 'string' ? given : '', false);
      if (right === undefined) {
        throw new InputError(`Prompt "${prompt.id}" has no number in "${reference}"; final-answer compares with it.`);
      }
      return (answer) => {
        const pass = finalNumber(answer, marked) === right;
        return { score: Number(pass), pass };
      };
    }),
});
