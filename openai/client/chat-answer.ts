/** The parts of a `/chat/completions` response that the client reads. */
import { z } from 'zod';
import { chatChoice, chatMessage } from '../schema/chat.ts';
import { usage as usageSchema } from '../schema/tokens.ts';

/** Token counts from the server; 0 if it reports none. */
interface TokenCounts {
  promptTokens: number;
  completionTokens: number;
}

/** A model's answer to a chat request. */
export interface ChatAnswer {
  /**
   * Without the model's thought if the server returns it separately (`reasoning_content`, `reasoning`, content parts of another type).
   */
  text: string;
  /** `stop`, `length` (also of servers that call it otherwise), `content_filter` (also of a refusal), … */
  finishReason: string;
  usage: TokenCounts;
  /** Set if the server rejects the requested temperature. The answer was sampled at the server's default temperature. */
  withoutTemperature?: true;
}

// Fields that the client does not read are not validated: some servers omit or misspell them.
const readableUsage = usageSchema
  .pick({ prompt_tokens: true, completion_tokens: true })
  .partial({ completion_tokens: true })
  .nullish()
  .catch(undefined);
const readableChoice = z
  .object({
    message: chatMessage.pick({ content: true }).extend({ refusal: z.unknown().optional() }),
    finish_reason: chatChoice.shape.finish_reason,
    error: z.unknown().optional(),
  })
  // OpenRouter reports a provider's temporary failure in a choice, with status 200.
  .refine(({ finish_reason, error }) => finish_reason !== 'error' && !error);
/** A chat response; only the fields that the client reads are validated. */
export const readableChat = z.object({ choices: z.array(readableChoice).min(1), usage: readableUsage });

/** The token counts of a response's `usage`; 0 for each missing count. */
const usageOf = (usage: z.output<typeof readableUsage>): TokenCounts => ({
  promptTokens: usage?.prompt_tokens ?? 0,
  completionTokens: usage?.completion_tokens ?? 0,
});

/** Names of `length` at Mistral and Anthropic. */
const LENGTH = ['model_length', 'max_tokens'];

/** The answer in a chat response: its first choice. A missing `finish_reason` is read as `stop`. */
export function chatAnswerOf({ choices, usage }: z.output<typeof readableChat>): ChatAnswer {
  const [{ message, finish_reason }] = choices;
  const text = textOf(message.content ?? '');
  const given = finish_reason ?? 'stop';
  const finishReason = LENGTH.includes(given) ? 'length' : message.refusal && text === '' ? 'content_filter' : given;
  return { text, finishReason, usage: usageOf(usage) };
}

const TEXT_PARTS = ['text', 'output_text'];

const textOf = (content: NonNullable<z.output<typeof chatMessage>['content']>): string =>
  typeof content === 'string'
    ? content
    : content.map(({ type, text }) => (TEXT_PARTS.includes(type) ? (text ?? '') : '')).join('');
