/** An answer of `/chat/completions`: its text, why it ends, and the tokens that the server counts. */
import { z } from 'zod';

/** As the server counts them; 0 where it does not. */
export interface Usage {
  promptTokens: number;
  completionTokens: number;
}

export interface ChatAnswer {
  /** Without a thought that the server gives beside it (`reasoning_content`, `reasoning`, parts of another type). */
  text: string;
  /** `stop`, `length`, … */
  finishReason: string;
  usage: Usage;
  /** The server takes no temperature, or not this one: the answer is at its default. */
  withoutTemperature?: true;
}

const usageSchema = z
  .object({ prompt_tokens: z.int(), completion_tokens: z.int().default(0) })
  .nullish()
  .catch(undefined);
export const withUsage = z.object({ usage: usageSchema });

/** A text, or its parts. */
const contentSchema = z.union([
  z.string(),
  z.array(z.looseObject({ type: z.string(), text: z.string().nullish().catch(undefined) })),
]);

const choiceSchema = z.object({
  message: z.object({ content: contentSchema.nullish() }),
  finish_reason: z.string().nullish(),
});
export const chatSchema = withUsage.extend({ choices: z.array(choiceSchema).min(1) });

export const usageOf = (usage: z.output<typeof usageSchema>): Usage => ({
  promptTokens: usage?.prompt_tokens ?? 0,
  completionTokens: usage?.completion_tokens ?? 0,
});

export function chatAnswerOf({ choices, usage }: z.output<typeof chatSchema>): ChatAnswer {
  const [{ message, finish_reason }] = choices;
  return { text: textOf(message.content ?? ''), finishReason: finish_reason ?? 'stop', usage: usageOf(usage) };
}

const TEXT_PARTS = ['text', 'output_text'];

/** Of parts those that are text: others are thoughts, refusals, calls of tools. */
const textOf = (content: z.output<typeof contentSchema>): string =>
  typeof content === 'string'
    ? content
    : content.map(({ type, text }) => (TEXT_PARTS.includes(type) ? (text ?? '') : '')).join('');
