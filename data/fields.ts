/** What every record with a prompt has in common: its id, and responses that may repeat the conversation before them. */
import { createHash } from 'node:crypto';
import { InputError } from './errors.ts';
import type { Text } from './records.ts';
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

/**
 * The record with only the answers in `chosen` and `rejected`: UltraFeedback's repeat the whole conversation, of which the
 * messages after the last one of the user are the answer.
 */
export function ownAnswers<T extends { chosen?: Text; rejected?: Text }>(record: T, where: string): T {
  const answers = { ...record };
  for (const side of ['chosen', 'rejected'] as const) {
    const response = record[side];
    if (response === undefined || typeof response === 'string') continue;
    const answer = response.slice(response.findLastIndex(({ role }) => role === 'user') + 1);
    if (answer.length === 0) throw new InputError(`${where} ends "${side}" with a user message; add the answer to it.`);
    answers[side] = answer;
  }
  return answers;
}
