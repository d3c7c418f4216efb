/** Texts in their two forms, a plain string and a list of messages. */
import { InputError } from './errors.ts';
import type { Message, Text } from './records.ts';

/** The words of a text without its form: the contents of its messages, one under the other. */
export function contentOf(text: Text): string {
  return typeof text === 'string' ? text : text.map(messageText).join('\n');
}

/** The words of a message, its text parts one under the other; a call of tools may have none. */
export function messageText(message: Message): string {
  const { content } = message;
  if (typeof content === 'string') return content;
  return (content ?? []).map((part) => textPart(part, `${message.role} message`).text).join('\n');
}

/** The text without what two copies of it often differ in: its contents in Unicode's form NFC, white space trimmed and collapsed. */
export function normalizedText(text: Text): Text {
  if (typeof text === 'string') return normalized(text);
  return text.map((message) => ({ ...message, content: normalized(messageText(message)) }));
}

// What is white space alone stays: a template may refuse an empty message.
const normalized = (content: string) => content.normalize('NFC').trim().replace(/\s+/g, ' ') || content;

/** @throws InputError that says where a text has a part that is none */
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

/** @throws InputError that names a part that is no text, and the message that it is `of` */
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

/** A response in the form of its prompt, as TRL's formats want: messages to a conversation, else a string. */
export const responseTo = (prompt: Text, response: Text): Text =>
  typeof prompt === 'string' ? contentOf(response) : asConversation(response, 'assistant');
