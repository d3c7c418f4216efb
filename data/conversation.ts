/** Texts in their two forms: a plain string or a list of messages. */
import { InputError } from './errors.ts';
import type { Message, Text } from './records.ts';

/** The plain text of a text: the contents of its messages, joined by newlines. */
export function contentOf(text: Text): string {
  return typeof text === 'string' ? text : text.map(messageText).join('\n');
}

/** The plain text of a message: its text parts, joined by newlines. Empty for a tool call without text. */
export function messageText(message: Message): string {
  const { content } = message;
  if (typeof content === 'string') return content;
  return (content ?? []).map((part) => textPart(part, `${message.role} message`).text).join('\n');
}

/** The text for finding duplicates: contents in Unicode NFC, white space trimmed and collapsed. */
export function normalizedText(text: Text): Text {
  if (typeof text === 'string') return normalized(text);
  return text.map((message) => ({ ...message, content: normalized(messageText(message)) }));
}

// A content of white space only is kept, since a chat template may reject an empty message.
const normalized = (content: string) => content.normalize('NFC').trim().replace(/\s+/g, ' ') || content;

/** Checks that all parts of the texts are text. @throws InputError otherwise */
export function checkParts(where: string, texts: (Text | undefined)[]): void {
  try {
    for (const text of texts) if (text !== undefined) contentOf(text);
  } catch (error) {
    throw error instanceof InputError ? new InputError(`${where}: ${error.message}`) : error;
  }
}

export interface TextPart extends Record<string, unknown> {
  type: string;
  text: string;
}

/** Checks that a part of a message is text. @param of names the message in the error. @throws InputError otherwise */
export function textPart(part: Record<string, unknown>, of: string): TextPart {
  const { type, text } = part;
  if (type === 'text' && typeof text === 'string') return { ...part, type, text };
  throw new InputError(
    type === 'text'
      ? `the ${of} has a text part without a text: give {"type": "text", "text": "…"}.`
      : `the ${of} has a content part of type "${String(type)}", and selm aligns models of text: leave it out.`,
  );
}

/** A text as a conversation: a string is one message of the role. */
export const asConversation = (text: Text, role: 'user' | 'assistant'): Message[] =>
  typeof text === 'string' ? [{ role, content: text }] : text;

/**
 * A response as its text if it is one assistant message with nothing but a text, otherwise as its messages: tool calls, reasoning and the
 * turns of others are no part of a text.
 */
export function simplified(response: Text): Text {
  if (typeof response === 'string' || response.length > 1) return response;
  const [{ role, content, ...others }] = response;
  // A template may write several parts without the newlines that contentOf puts between them.
  const hasParts = Array.isArray(content) && content.length > 1;
  const isPlain = role === 'assistant' && !hasParts && Object.values(others).every(isNothing);
  return isPlain ? contentOf(response) : response;
}

/** In a data set's column, every message has all keys. */
const isNothing = (value: unknown) =>
  value === null || value === undefined || (Array.isArray(value) && value.length === 0);

const hasCalls = ({ tool_calls: calls }: Message) => Array.isArray(calls) && calls.length > 0;

/** Whether a response has neither a text nor tool calls. */
export const isEmpty = (response: Text): boolean =>
  contentOf(response).trim() === '' && !(typeof response !== 'string' && response.some(hasCalls));

/** Whether the assistant calls tools in a response, and writes no text. */
export function isCallAlone(response: Text): boolean {
  if (typeof response === 'string') return false;
  const own = response.filter(({ role }) => role === 'assistant');
  return own.some(hasCalls) && own.every((message) => messageText(message).trim() === '');
}

/** A response in the form of its prompt, as in TRL's formats: messages if the prompt is a conversation, otherwise a string. */
export const responseTo = (prompt: Text, response: Text): Text =>
  typeof prompt === 'string' ? contentOf(response) : asConversation(response, 'assistant');
