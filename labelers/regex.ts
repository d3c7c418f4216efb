/** The labeler that checks whether a regular expression matches somewhere in a response. */
import { z } from 'zod';
import { InputError } from '../data/errors.ts';
import { compilePattern } from '../data/patterns.ts';
import { parseRow, type Row } from '../data/row.ts';
import { labelerKind } from './labeler.ts';
import { programLabeler, type Rule } from './program.ts';

function isExpression(pattern: string, flags?: string): boolean {
  try {
    return Boolean(compilePattern(pattern, flags));
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

/**
 * Syntax of other languages, and of patterns with the flag `u`, that JavaScript reads as plain text: an escaped letter without a
 * meaning, and a quantifier without a lower bound.
 */
const AS_TEXT = /\\(?:x[\da-fA-F]{2}|u[\da-fA-F]{4}|c[A-Za-z]|[dDwWsSbBfnrtvk]|[^A-Za-z])|(\\.|\{,\d+\})/gu;

/** The first such syntax in a pattern without the flag `u`. */
const readAsText = (pattern: string): string | undefined =>
  [...pattern.matchAll(AS_TEXT)].find(([, found]) => found !== undefined)?.[1];

/**
 * Compiles a pattern. `where` names it in errors.
 * @throws InputError when it is not valid with these flags (some patterns are valid only with or without `u`), or has syntax of other
 * languages that JavaScript reads as plain text
 */
function compile(where: string, pattern: string, flags?: string): RegExp {
  const literal = /[uv]/.test(flags ?? '') ? undefined : readAsText(pattern);
  if (literal !== undefined)
    throw new InputError(
      `${where} ${JSON.stringify(pattern)} has ${literal}, which JavaScript reads as plain text; ` +
        'use ^ and $ for \\A and \\Z, {0,3} for {,3}, and the flag u for \\p{…} and \\u{…}.',
    );
  if (isExpression(pattern, flags)) return compilePattern(pattern, flags);
  throw new InputError(
    `${where} ${JSON.stringify(pattern)} with the flags "${flags ?? ''}" is not a regular expression; correct one of the two.`,
  );
}

const flagsSchema = z.string().regex(/^[imsu]*$/, 'expected some of i, m, s and u');

const rowSchema = z.object({ pattern: z.string().min(1), flags: flagsSchema.optional() });

/** The expression of a row's pattern, with its flags or else these. @throws InputError when one of them is not valid */
export function expressionOf(fields: Row, flags?: string): RegExp {
  const row = parseRow(fields, rowSchema);
  return compile(`${fields.where}, whose "pattern"`, row.pattern, row.flags ?? flags);
}

/** The rule for the pattern of each prompt's row, with its flags or else these. */
export const patternOfRow =
  (flags?: string): Rule =>
  (prompt) =>
    matches(expressionOf({ where: `Prompt "${prompt.id}"`, fields: prompt }, flags));

const matches = (expression: RegExp) => (answer: string) => {
  const pass = expression.test(answer);
  return { score: Number(pass), pass };
};

/** The score is 1 if the pattern matches, otherwise 0. */
export const regex = labelerKind({
  schema: z
    .strictObject({
      by: z.literal('regex'),
      pattern: z
        .string()
        .min(1)
        .refine((pattern) => isExpression(pattern) || isExpression(pattern, 'u'), 'not a regular expression')
        .optional()
        .describe(
          'JavaScript regular expression. It may match a part of the response, unless it begins with `^` and ends with `$`. ' +
            "Default: the field `pattern` of each prompt's row, with the field `flags` if the row has one.",
        ),
      flags: flagsSchema
        .optional()
        .describe(
          '`i` ignores case, `m` makes `^` and `$` match at line ends, `s` makes `.` match newlines, `u` turns on Unicode.',
        ),
    })
    .describe('Checks whether a regular expression matches a response. The score is 1 or 0.'),
  create({ pattern, flags }) {
    if (pattern === undefined) return programLabeler('regex', patternOfRow(flags));
    const check = matches(compile('label.pattern', pattern, flags));
    return programLabeler('regex', () => check);
  },
});
