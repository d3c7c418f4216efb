/** Converts ShareGPT's conversations, `{from, value}`, to messages: TRL's `maybe_convert_to_chatml` with ShareGPT's role names. */
import { InputError } from './errors.ts';
import type { Row } from './row.ts';

/** Fields that may have a list of messages. */
export const TEXTS = ['prompt', 'completion', 'chosen', 'rejected', 'reference_response', 'response', 'messages'];

/** ShareGPT's names of roles; others (`system`, `tool`, …) are the same. */
const ROLES: Record<string, string> = { human: 'user', gpt: 'assistant' };

/** The row with `{role, content}` instead of `{from, value}` in all of its texts. */
export function withRoles({ where, fields }: Row): Row {
  const converted = TEXTS.filter((name) => isShareGpt(fields[name])).map((name) => [
    name,
    convert(fields[name] as object[]),
  ]);
  return converted.length === 0
    ? { where, fields }
    : { where, fields: { ...fields, ...Object.fromEntries(converted) } };
}

/**
 * The row with its `conversations` as `messages`.
 * @throws InputError when it has both
 */
export function withMessages({ where, fields }: Row): Row {
  const { conversations, ...others } = fields;
  if (conversations === undefined) return { where, fields };
  if (fields['messages'] !== undefined)
    throw new InputError(`${where} has "messages" and "conversations"; remove one of them.`);
  return withRoles({ where, fields: { ...others, messages: conversations } });
}

const isShareGpt = (text: unknown): boolean =>
  Array.isArray(text) && text.some((message) => typeof message === 'object' && message !== null && 'from' in message);

function convert(messages: object[]): object[] {
  return messages.map((message) => {
    if (typeof message !== 'object' || message === null) return message;
    const { from, value, ...others } = message as Record<string, unknown>;
    return {
      ...(from !== undefined && { role: typeof from === 'string' && Object.hasOwn(ROLES, from) ? ROLES[from] : from }),
      ...(value !== undefined && { content: value }),
      ...others,
    };
  });
}
