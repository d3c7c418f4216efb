/** Messages as chat templates take them: what transformers and vLLM do to them before they are rendered. */
import { textPart, type TextPart } from '../../data/conversation.ts';
import type { Message } from '../../data/records.ts';

/** What a template takes as a message's content: a string, a list of parts, or either. */
export type ContentFormat = 'string' | 'parts' | 'any';

export interface TemplateMessage {
  role: string;
  content?: string | TextPart[];
  [key: string]: unknown;
}

/** Names of a message's thought: templates read the first, some the second. */
const REASONING = ['reasoning_content', 'thinking', 'reasoning'];

/**
 * As transformers: keys that are null are left out, and a thought has all the names that templates know it by. As vLLM: text parts are
 * joined by newlines for a template that takes strings only, and a string is one part for a template that takes parts only.
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
