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
const REASONING = ['reasoning_content', 'thinking', 'reasoning'];

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
