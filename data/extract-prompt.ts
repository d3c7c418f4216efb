/**
 * Separates the prompt of a row from its responses, as TRL's data_utils do (`maybe_extract_prompt`, `extract_prompt`): if a row
 * has no prompt, or its prompt is a string and its responses are conversations, the prompt is the common beginning of chosen and
 * rejected. Rows in which TRL would repeat or lose a turn are read correctly or rejected.
 */
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { asConversation, checkParts, contentOf } from './conversation.ts';
import { InputError } from './errors.ts';
import { responseTextSchema, textSchema, type Message, type Text } from './records.ts';
import type { Row } from './row.ts';

const textsSchema = z.object({ prompt: textSchema.optional() }).catchall(responseTextSchema);

/**
 * The row with an explicit prompt, and responses without the prompt.
 * @param names fields of responses; the prompt may be the common beginning of the first two
 * @throws InputError when a message would be lost or repeated, or a response does not end with the assistant
 */
export function separatePrompt(row: Row, names: readonly string[]): Row {
  const { where, fields } = row;
  const parsed = textsSchema.safeParse(pick(fields, ['prompt', ...names]));
  // The schema of the record reports invalid fields.
  if (!parsed.success) return row;
  const { prompt: given, ...responses } = parsed.data as { prompt?: Text } & Record<string, Text>;
  checkParts(where, [given, ...Object.values(responses)]);
  for (const [name, response] of Object.entries(responses)) checkEnd(where, name, response);
  const prompt = promptOf(where, given, names, responses);
  if (prompt === undefined) return row;
  const separated = Object.fromEntries(
    Object.entries(responses).map(([name, response]) => [name, afterPrompt(where, name, prompt, response, given)]),
  );
  // In a conversation that repeats the prompt, the messages after it are messages of their own.
  const isComplete =
    endsWithAssistant(prompt) &&
    Object.entries(responses).some(([name, response]) => separated[name].length < response.length);
  const continued = isComplete && { continue_final_message: fields['continue_final_message'] ?? false };
  return { where, fields: { ...fields, ...continued, prompt, ...separated } };
}

const endsWithAssistant = (text: Text): boolean => typeof text !== 'string' && text.at(-1)!.role === 'assistant';

const pick = (fields: Record<string, unknown>, names: string[]) =>
  Object.fromEntries(names.filter((name) => fields[name] !== undefined).map((name) => [name, fields[name]]));

/** Whether two texts are equal. The order of a message's keys does not matter, and a null value counts as an absent key. */
export const sameText = (a: Text, b: Text): boolean =>
  typeof a === 'string' || typeof b === 'string' ? a === b : a.length === b.length && startsWith(a, b);

const sameMessage = (a: Message, b: Message) => isDeepStrictEqual(withoutNulls(a), withoutNulls(b));

/** Removes null values: in a Parquet column, every message has all keys. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, entry]) => entry !== null && entry !== undefined);
  return Object.fromEntries(entries.map(([key, entry]) => [key, withoutNulls(entry)]));
}

const startsWith = (messages: Message[], beginning: Message[]) =>
  messages.length >= beginning.length && beginning.every((message, i) => sameMessage(message, messages[i]));

/** @throws InputError when a conversation does not end with the assistant */
export function checkEnd(where: string, name: string, response: Text): void {
  if (typeof response === 'string') return;
  const { role } = response.at(-1)!;
  if (role !== 'assistant') {
    throw new InputError(`${where} ends "${name}" with a ${role} message; add the answer to it.`);
  }
}

/** The whole prompt of the row; undefined if it has none and none can be extracted. */
function promptOf(
  where: string,
  given: Text | undefined,
  [first, second]: readonly string[],
  responses: Record<string, Text>,
): Text | undefined {
  const [chosen, rejected] = [responses[first], second === undefined ? undefined : responses[second]];
  if (given === undefined) {
    return chosen === undefined || rejected === undefined
      ? undefined
      : commonPrompt(where, first, second, chosen, rejected);
  }
  const asked = asConversation(given, 'user');
  const conversations = Object.entries(responses).filter(
    (entry): entry is [string, Message[]] => typeof entry[1] !== 'string',
  );
  let common: Message[] | undefined;
  if (Array.isArray(chosen) && Array.isArray(rejected)) {
    common = commonBeginning(chosen, rejected);
    // As in TRL, a prompt that is a string is a copy of a user message in the conversation, not an additional message.
    if (typeof given === 'string' && common.some((message) => isQuestion(message, given))) return common;
    // A system message alone is not a complete prompt.
    const [a, b] = [chosen, rejected].map((response) =>
      startsWith(response, asked) ? response : [...asked, ...response],
    );
    const asksNothing = asked.every(({ role }) => role !== 'user' && role !== 'assistant');
    if (asksNothing && [a, b].every((whole) => whole[asked.length]?.role === 'user')) return commonBeginning(a, b);
  }
  const histories = conversations.map(([name, response]) => {
    const shared = name === first || name === second ? common : undefined;
    return [name, historyOf(given, response, shared ?? response.slice(0, -1))] as const;
  });
  const [whole = ['prompt', undefined] as const, ...others] = histories.filter(([, history]) => history !== undefined);
  const other = others.find(([, history]) => !sameText(history!, whole[1]!));
  if (other) {
    throw new InputError(
      `${where} has different conversations before the answers in "${whole[0]}" and "${other[0]}"; give both the same.`,
    );
  }
  return whole[1] ?? given;
}

/** TRL's extract_prompt. */
function commonPrompt(where: string, first: string, second: string, chosen: Text, rejected: Text): Text {
  if (typeof chosen !== typeof rejected) {
    throw new InputError(
      `${where} has a string and a conversation in "${first}" and "${second}"; give both in one form, or a "prompt".`,
    );
  }
  const prompt =
    typeof chosen === 'string'
      ? commonText(chosen, rejected as string)
      : commonBeginning(chosen, rejected as Message[]);
  if (prompt.length > 0) return prompt;
  throw new InputError(
    `${where} has no "prompt", and "${first}" and "${second}" have no common beginning that could be it; add the prompt.`,
  );
}

/** The common beginning, without the last message of the shorter conversation, since both must have a response. */
function commonBeginning(chosen: Message[], rejected: Message[]): Message[] {
  const most = Math.min(chosen.length, rejected.length) - 1;
  const length = chosen.slice(0, most).findIndex((message, i) => !sameMessage(message, rejected[i]));
  return chosen.slice(0, length < 0 ? most : length);
}

/** The common beginning, compared by code points as in Python. A space before the difference belongs to the responses. */
function commonText(chosen: string, rejected: string): string {
  const [a, b] = [[...chosen], [...rejected]];
  const most = Math.min(a.length, b.length);
  const length = a.slice(0, most).findIndex((character, i) => character !== b[i]);
  if (length < 0) return a.slice(0, Math.max(0, most - 1)).join('');
  return a.slice(0, a[length - 1] === ' ' ? length - 1 : length).join('');
}

/**
 * The prompt as `response` repeats it, including earlier messages that are not in `given`; undefined if the response does not
 * repeat the prompt.
 * @param beginning the part of the response that may be the prompt
 */
function historyOf(given: Text, response: Message[], beginning: Message[]): Message[] | undefined {
  const prompt = asConversation(given, 'user');
  if (startsWith(response, prompt)) return prompt;
  // In a response with several turns, the user may repeat a question.
  if (!asks(response[0].role)) return undefined;
  const end = beginning.findLastIndex((_, i) => i + 1 >= prompt.length && endsAt(beginning, i + 1, given, prompt));
  if (end >= 0) return beginning.slice(0, end + 1);
  return overlap(prompt, response) > 0 ? prompt : undefined;
}

const endsAt = (response: Message[], end: number, given: Text, prompt: Message[]) =>
  typeof given === 'string'
    ? isQuestion(response[end - 1], given)
    : startsWith(response.slice(end - prompt.length, end), prompt);

const isQuestion = (message: Message, prompt: string) =>
  message.role === 'user' && contentOf([message]).trim() === prompt.trim();

/** The number of messages at the end of the prompt that the response repeats at its beginning. */
function overlap(prompt: Message[], response: Message[]): number {
  if (response[0].role === 'assistant') return 0;
  for (let count = Math.min(prompt.length, response.length); count > 0; count--) {
    if (startsWith(response, prompt.slice(-count))) return count;
  }
  return 0;
}

function afterPrompt(where: string, name: string, prompt: Text, response: Text, given: Text | undefined): Text {
  if (typeof response === 'string') {
    // A prompt that was extracted from the responses' texts is a part of each of them.
    if (given !== undefined || typeof prompt !== 'string') return response;
    if (response.startsWith(prompt)) return response.slice(prompt.length);
    throw new InputError(`${where} does not begin "${name}" as its other responses begin; add the prompt to the row.`);
  }
  const messages = asConversation(prompt, 'user');
  const repeated = startsWith(response, messages) ? messages.length : overlap(messages, response);
  const [{ role }] = response;
  // If the prompt ends with an assistant message, the response may begin with a user message.
  const follows = repeated > 0 || !asks(role) || (role === 'user' && messages.at(-1)!.role === 'assistant');
  if (!follows) {
    throw new InputError(
      `${where} begins "${name}" with a ${role} message that is not of its "prompt"; repeat all messages of the prompt there, or none.`,
    );
  }
  if (repeated < response.length) return response.slice(repeated);
  throw new InputError(`${where} has nothing but the prompt in "${name}"; add the answer to it.`);
}

/** Whether messages of this role (user, system, developer) belong to a prompt. A response may begin with a tool's result. */
export const asks = (role: string) => role !== 'assistant' && role !== 'tool';
