/** What a schema says about a value, as text: for the reference pages in docs/ and the help of the command line. */
import type { z } from 'zod';

export type JsonSchema = z.core.JSONSchema.BaseSchema;

/** The bounds of a number, such as `['> 0', '≤ 1']`. */
export function boundsOf({ minimum, exclusiveMinimum, maximum, exclusiveMaximum }: JsonSchema): string[] {
  const bounds = [
    minimum !== undefined && `≥ ${minimum}`,
    exclusiveMinimum !== undefined && `> ${exclusiveMinimum}`,
    // Every integer has this one.
    maximum !== undefined && maximum !== Number.MAX_SAFE_INTEGER && `≤ ${maximum}`,
    exclusiveMaximum !== undefined && `< ${exclusiveMaximum}`,
  ];
  return bounds.filter((bound) => bound !== false);
}
