/** The id of a record with a prompt. */
import { createHash } from 'node:crypto';
import type { Row } from './row.ts';

/** The row with its id as text: `id`, else `prompt_id` (UltraFeedback), else `key` (IFEval), else a hash of the prompt. */
export function withId({ where, fields }: Row): Row {
  const { id = fields.prompt_id ?? fields.key ?? hashOf(fields.prompt) } = fields;
  return { where, fields: { ...fields, id: typeof id === 'number' ? String(id) : id } };
}

function hashOf(prompt: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify(prompt) ?? '')
    .digest('hex')
    .slice(0, 16);
}
