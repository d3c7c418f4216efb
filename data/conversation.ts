/** Texts in their two forms, a plain string and a list of messages. */
import type { Text } from './records.ts';

/** The words of a text without its form: the contents of its messages, one under the other. */
export function contentOf(text: Text): string {
  return typeof text === 'string' ? text : text.map(({ content }) => content).join('\n');
}

/** A response in the form of its prompt, as TRL's formats want: an assistant message to a conversation, else the string. */
export function responseTo(prompt: Text, content: string): Text {
  return typeof prompt === 'string' ? content : [{ role: 'assistant', content }];
}
