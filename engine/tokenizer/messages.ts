/** Prepares messages for chat templates as transformers and vLLM do. */
import { textPart, type TextPart } from '../../data/conversation.ts';
import type { Message } from '../../data/records.ts';

/** The kind of a message's content that a template supports: a string, a list of parts, or either. */
export type ContentFormat = 'string' | 'parts' | 'any';

/** A message in a template's format. */
export interface TemplateMessage {
  role: string;
  content?: string | TextPart[];
  [key: string]: unknown;
}

/** Keys of a message's reasoning: most templates read the first, some the second. */
export const REASONING = ['reasoning_content', 'thinking', 'reasoning'];

/**
 * As in transformers, null values are left out, and the reasoning gets the keys that templates use. As in vLLM, text parts are joined by
 * newlines for a template that supports only strings, and a string becomes one part for a template that supports only parts.
 * @throws InputError for a part that is no text
 */
export function normalizeMessages(messages: Message[], format: ContentFormat): TemplateMessage[] {
  return messages.map((message, i) => {
    const given = Object.entries(message).filter(([, value]) => value !== null && value !== undefined);
    const normalized = Object.fromEntries(given) as TemplateMessage;
    const { content } = normalized;
    if (Array.isArray(content)) {
      const parts = content.map((part) => textPart(part, `${message.role} message ${i + 1}`));
      normalized.content = format === 'string' ? parts.map(({ text }) => text).join('\n') : parts;
    } else if (content !== undefined && format === 'parts') normalized.content = [{ type: 'text', text: content }];
    const thought = REASONING.map((key) => normalized[key]).find((value) => value !== undefined);
    return thought === undefined ? normalized : { thinking: thought, ...normalized, reasoning_content: thought };
  });
}

/** A message's text: that of its parts, joined. */
export const textOf = ({ content }: TemplateMessage): string =>
  typeof content === 'string' ? content : (content ?? []).map(({ text }) => text).join('');

/** The message with another text, in the same format. */
export const withText = (message: TemplateMessage, text: string): TemplateMessage => ({
  ...message,
  content: Array.isArray(message.content) ? [{ type: 'text', text }] : text,
});

type Call = Record<string, unknown>;
const isObject = (value: unknown): value is Call =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The tool calls of a message. */
export const callsOf = ({ tool_calls: calls }: TemplateMessage): Call[] =>
  Array.isArray(calls) && calls.every(isObject) ? calls : [];

/** The message with other tool calls of the same form: `nameOf` gives the name and the argument of each. */
export function withCalls(message: TemplateMessage, nameOf: (index: number) => string): TemplateMessage {
  const calls = callsOf(message);
  if (calls.length === 0) return message;
  return {
    ...message,
    tool_calls: calls.map((call, i) =>
      isObject(call['function'])
        ? { ...call, function: renamed(call['function'], nameOf(i)) }
        : renamed(call, nameOf(i)),
    ),
  };
}

/** The message with other arguments of its tool calls: `valueOf` gives the argument of each. */
export function withArguments(message: TemplateMessage, valueOf: (index: number) => string): TemplateMessage {
  const given = (call: Call, i: number): Call =>
    'arguments' in call ? { ...call, arguments: argumentsLike(call['arguments'], valueOf(i)) } : call;
  return {
    ...message,
    tool_calls: callsOf(message).map((call, i) =>
      isObject(call['function']) ? { ...call, function: given(call['function'], i) } : given(call, i),
    ),
  };
}

const renamed = (call: Call, name: string): Call => ({
  ...call,
  name,
  ...('arguments' in call && { arguments: argumentsLike(call['arguments'], name) }),
});

/** Arguments as an object or as JSON, whichever the given ones are. */
const argumentsLike = (given: unknown, value: string): unknown =>
  typeof given === 'string' ? JSON.stringify({ probe: value }) : { probe: value };
