/** A row of a data file before validation, and the error messages for invalid rows. */
import type { z } from 'zod';
import { InputError } from './errors.ts';

export interface Row {
  /** Its position for messages, such as `prompts.jsonl line 3`. */
  where: string;
  fields: Record<string, unknown>;
}

/** A row without its null fields: in the columns of a hub data set, null means absent. */
export function makeRow(where: string, fields: object): Row {
  return { where, fields: Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null)) };
}

/** The row as a record of `schema`. @throws InputError that names the missing or invalid field */
export function parseRow<T>({ where, fields }: Row, schema: z.ZodType<T>): T {
  const result = schema.safeParse(fields);
  if (result.success) return result.data;
  throw new InputError(`${where} ${describeIssue(fields, innermost(result.error.issues[0]), 'every row')}`);
}

/** For a field that allows several forms: the issue inside the given form, for example in one message of a conversation. */
function innermost(issue: z.core.$ZodIssue): z.core.$ZodIssue {
  const inner = issue.code === 'invalid_union' ? issue.errors.flat().find(({ path }) => path.length > 0) : undefined;
  return inner ? innermost({ ...inner, path: [...issue.path, ...inner.path] }) : issue;
}

/** What is wrong with the fields of `owner`, as the end of a sentence: `has no "prompt"; every row needs one.` */
export function describeIssue(
  fields: Record<string, unknown>,
  { path, message }: z.core.$ZodIssue,
  owner: string,
): string {
  if (path.length === 1 && fields[String(path[0])] === undefined) {
    return `has no "${String(path[0])}"; ${owner} needs one.`;
  }
  if (path.length === 1 && fields[String(path[0])] === '') return `has an empty "${String(path[0])}".`;
  return `has a wrong "${path.map(String).join('.')}": ${message.replace(/^(Invalid input|Invalid option|Too small|Too big): /, '')}.`;
}
