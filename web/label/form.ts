/** The forms that people send. A form that none of our pages sends is refused. */
import { z } from 'zod';
import { InputError } from '../../data/errors.ts';
import { SKIP_REASONS } from '../../labelers/people/protocol.ts';
import { ANSWERS } from './answers.ts';
import { VIEWS } from './view.ts';

const LONGEST = 500;
const id = z.string().min(1).max(LONGEST);
const held = { block: id, lease: id, view: z.enum(VIEWS) };

export const voteForm = z.object({
  ...held,
  answer: z.enum(Object.keys(ANSWERS)),
  /** When the page was made, in milliseconds since 1970: for browsers without script. */
  shown: z.coerce.number(),
  /** By the script, from when the question was first shown. */
  seconds: z.coerce.number().nonnegative().optional(),
});
export const skipForm = z.object({ ...held, reason: z.enum(SKIP_REASONS) });
export const undoForm = z.object({ request: id, view: z.enum(VIEWS) });

/** @throws InputError when a field is missing or has a value that the page does not have */
export function readForm<T>(schema: z.ZodType<T>, fields: unknown): T {
  const { data, error } = schema.safeParse(fields);
  if (!error) return data as T;
  throw new InputError(`This form has no valid "${error.issues[0].path.join('.')}": load the page again.`);
}
