/** Texts in their two forms, a plain string and a list of messages. */
import type { Text } from './records.ts';

/** The words of a text without its form: the contents of its messages, one under the other. */
export function contentOf(text: Text): string {
  return typeof text === 'string' ? text : text.map(({ content }) => content).join('\n');
}

/** The text without what two copies of it often differ in: its contents in Unicode's form NFC, white space trimmed and collapsed. */
export function normalizedText(text: Text): Text {
  if (typeof text === 'string') return normalized(text);
  return text.map((message) => ({ ...message, content: normalized(contentOf([message])) }));
}

// What is white space alone stays: a template may refuse an empty message.
const normalized = (content: string) => content.normalize('NFC').trim().replace(/\s+/g, ' ') || content;

/** A response in the form of its prompt, as TRL's formats want: an assistant message to a conversation, else the string. */
export function responseTo(prompt: Text, content: string): Text {
  return typeof prompt === 'string' ? content : [{ role: 'assistant', content }];
}
