/** The labeler of answers that must have a certain form: a regular expression matches somewhere in them. */
import { z } from 'zod';
import { labelerKind } from './labeler.ts';
import { programLabeler } from './program.ts';

function isExpression({ pattern, flags }: { pattern: string; flags?: string | undefined }): boolean {
  try {
    return Boolean(new RegExp(pattern, flags));
  } catch {
    return false;
  }
}

/** 1 where it matches, 0 where it does not. */
export const regex = labelerKind({
  schema: z
    .strictObject({
      by: z.literal('regex'),
      pattern: z
        .string()
        .min(1)
        .refine(
          (pattern) => isExpression({ pattern }) || isExpression({ pattern, flags: 'u' }),
          'not a regular expression',
        )
        .describe('JavaScript regular expression. Unless it begins with `^` and ends with `$` it may match a part.'),
      flags: z
        .string()
        .regex(/^[imsu]*$/, 'expected some of i, m, s and u')
        .optional()
        .describe('`i` ignores case, `m` has `^` and `$` match at lines, `s` has `.` match newlines, `u` is Unicode.'),
    })
    .describe('Matches answers with a regular expression: 1 or 0.'),
  create({ pattern, flags }) {
    const expression = new RegExp(pattern, flags);
    return programLabeler('regex', () => (answer) => {
      const pass = expression.test(answer);
      return { score: Number(pass), pass };
    });
  },
});
