/** What the client reads of a response of `/chat/completions`. */
import { z } from 'zod';
import { chatChoice, chatMessage } from '../schema/chat.ts';
import { usage as usageSchema } from '../schema/tokens.ts';

/** Tokens as the server counts them; 0 where it does not. */
export interface TokenCounts {
  promptTokens: number;
  completionTokens: number;
}

export interface ChatAnswer {
  /** Without the model's thought, where the server gives it separately (`reasoning_content`, `reasoning`, parts of another type). */
  text: string;
  /** `stop`, `length`, … */
  finishReason: string;
  usage: TokenCounts;
  /** The server does not accept the temperature: the response was sampled at its default. */
  withoutTemperature?: true;
}

// Servers may leave out or misspell everything else.
const readableUsage = usageSchema
  .pick({ prompt_tokens: true, completion_tokens: true })
  .partial({ completion_tokens: true })
  .nullish()
  .catch(undefined);
const readableChoice = z.object({
  message: chatMessage.pick({ content: true }),
  finish_reason: chatChoice.shape.finish_reason,
});
export const withUsage = z.object({ usage: readableUsage });
export const readableChat = withUsage.extend({ choices: z.array(readableChoice).min(1) });

export const usageOf = (usage: z.output<typeof readableUsage>): TokenCounts => ({
  promptTokens: usage?.prompt_tokens ?? 0,
  completionTokens: usage?.completion_tokens ?? 0,
});

export function chatAnswerOf({ choices, usage }: z.output<typeof readableChat>): ChatAnswer {
  const [{ message, finish_reason }] = choices;
  return { text: textOf(message.content ?? ''), finishReason: finish_reason ?? 'stop', usage: usageOf(usage) };
}

const TEXT_PARTS = ['text', 'output_text'];

const textOf = (content: NonNullable<z.output<typeof chatMessage>['content']>): string =>
  typeof content === 'string'
    ? content
    : content.map(({ type, text }) => (TEXT_PARTS.includes(type) ? (text ?? '') : '')).join('');
