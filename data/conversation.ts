/** Texts in their two forms, a plain string and a list of messages. */
import type { Message, Text } from './records.ts';

/** The words of a text without its form: the contents of its messages, one under the other. */
export function contentOf(text: Text): string {
  return typeof text === 'string' ? text : text.map(({ content }) => content).join('\n');
}

/** A text as a conversation: a string is one message of the role. */
export const asConversation = (text: Text, role: 'user' | 'assistant'): Message[] =>
  typeof text === 'string' ? [{ role, content: text }] : text;

/** A response in the form of its prompt, as TRL's formats want: messages to a conversation, else a string. */
export const responseTo = (prompt: Text, response: Text): Text =>
  typeof prompt === 'string' ? contentOf(response) : asConversation(response, 'assistant');
