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

/** Compiles the pattern. @throws InputError when it is not valid with these flags; some patterns are valid only with or without `u` */
function compile(pattern: string, flags?: string): RegExp {
  if (isExpression(pattern, flags)) return compilePattern(pattern, flags);
  throw new InputError(
    `label.pattern ${JSON.stringify(pattern)} with the flags "${flags ?? ''}" is not a regular expression; correct one of the two.`,
  );
}

/** The score is 1 if the pattern matches, otherwise 0. */
export const regex = labelerKind({
  schema: z
    .strictObject({
      by: z.literal('regex'),
      pattern: z
        .string()
        .min(1)
        .refine((pattern) => isExpression(pattern) || isExpression(pattern, 'u'), 'not a regular expression')
        .describe(
          'JavaScript regular expression. It may match a part of the response, unless it begins with `^` and ends with `$`.',
        ),
      flags: z
        .string()
        .regex(/^[imsu]*$/, 'expected some of i, m, s and u')
        .optional()
        .describe(
          '`i` ignores case, `m` makes `^` and `$` match at line ends, `s` makes `.` match newlines, `u` turns on Unicode.',
        ),
    })
    .describe('Checks whether a regular expression matches a response. The score is 1 or 0.'),
  create({ pattern, flags }) {
    const expression = compile(pattern, flags);
    return programLabeler('regex', () => (answer) => {
      const pass = expression.test(answer);
      return { score: Number(pass), pass };
    });
  },
});
