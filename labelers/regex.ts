/** The labeler that checks whether a regular expression matches somewhere in a response. */
import { z } from 'zod';
import { InputError } from '../data/errors.ts';
import { compilePattern } from '../data/patterns.ts';
import { labelerKind } from './labeler.ts';
import { programLabeler } from './program.ts';

function isExpression(pattern: string, flags?: string): boolean {
  try {
    return Boolean(compilePattern(pattern, flags));
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

/** @throws InputError when the pattern is not valid with these flags; some are valid only with `u`, or only without */
function compile(pattern: string, flags?: string): RegExp {
  if (isExpression(pattern, flags)) return compilePattern(pattern, flags);
  throw new InputError(
    `label.pattern ${JSON.stringify(pattern)} with the flags "${flags ?? ''}" is not a regular expression; correct one of the two.`,
  );
}

/** 1 where it matches, 0 where it does not. */
export const regex = labelerKind({
  schema: z
    .strictObject({
      by: z.literal('regex'),
      pattern: z
        .string()
        .min(1)
        .refine((pattern) => isExpression(pattern) || isExpression(pattern, 'u'), 'not a regular expression')
        .describe('JavaScript regular expression. Unless it begins with `^` and ends with `$` it may match a part.'),
      flags: z
        .string()
        .regex(/^[imsu]*$/, 'expected some of i, m, s and u')
        .optional()
        .describe('`i` ignores case, `m` has `^` and `$` match at lines, `s` has `.` match newlines, `u` is Unicode.'),
    })
    .describe('Matches answers with a regular expression: 1 or 0.'),
  create({ pattern, flags }) {
    const expression = compile(pattern, flags);
    return programLabeler('regex', () => (answer) => {
      const pass = expression.test(answer);
      return { score: Number(pass), pass };
    });
  },
});
