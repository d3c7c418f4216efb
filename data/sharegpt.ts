/**
 * Converts ShareGPT's conversations, `{from, value}`, to messages: TRL's `maybe_convert_to_chatml`, with the names of roles that data sets
 * and LLaMA-Factory use.
 */
import { InputError } from './errors.ts';
import { exactJson } from './exact-json.ts';
import { parseJson } from './json.ts';
import type { Row } from './row.ts';

/** Fields that may have a list of messages. */
export const TEXTS = ['prompt', 'completion', 'chosen', 'rejected', 'reference_response', 'response', 'messages'];

/** ShareGPT's names of roles; others (`system`, `tool`, …) are the same. */
const ROLES: Record<string, string> = {
  human: 'user',
  gpt: 'assistant',
  chatgpt: 'assistant',
  bing: 'assistant',
  bard: 'assistant',
  observation: 'tool',
};

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
    const calls = from === 'function_call' ? callsIn(value) : undefined;
    if (calls) return { role: 'assistant', content: '', tool_calls: calls, ...others };
    return {
      ...(from !== undefined && { role: typeof from === 'string' && Object.hasOwn(ROLES, from) ? ROLES[from] : from }),
      ...(value !== undefined && { content: value }),
      ...others,
    };
  });
}

/** The tool calls in a `function_call`, which is a call or a list of calls as JSON; undefined if it is neither. */
function callsIn(value: unknown): object[] | undefined {
  if (typeof value !== 'string') return undefined;
  let parsed: unknown;
  try {
    // Repeated keys, numbers that are too large and so on are refused.
    parseJson(value, '', '');
    parsed = exactJson(value);
  } catch {
    return undefined;
  }
  const calls = Array.isArray(parsed) ? (parsed as unknown[]) : [parsed];
  if (calls.length === 0 || !calls.every(isCall)) return undefined;
  return calls.map(({ name, arguments: given }) => ({ type: 'function', function: { name, arguments: given } }));
}

interface Call {
  name: string;
  arguments: unknown;
}
const isCall = (call: unknown): call is Call =>
  typeof call === 'object' && call !== null && 'arguments' in call && 'name' in call && typeof call.name === 'string';
