/** Log-probabilities (nats) of a response's tokens, in the two formats of the OpenAI API. */
import { z } from 'zod';

/** Maximum number of alternatives per token in a request; OpenAI has the same limit. */
export const MOST_TOP_LOGPROBS = 20;

/** The format of completions: parallel lists with one entry per token. */
export const completionLogprobs = z.object({
  /** With `return_tokens_as_token_ids`, `token_id:` and the id. */
  tokens: z.array(z.string()).nullish(),
  /** Null for the first token of a sequence, which has no log-probability. */
  token_logprobs: z.array(z.number().nullable()).nullish(),
  top_logprobs: z.array(z.record(z.string(), z.number()).nullable()).nullish(),
  /** Index of each token's first character in the text. */
  text_offset: z.array(z.int()).nullish(),
  /** llama.cpp's format, which contains token ids. */
  content: z.array(z.object({ id: z.int().nonnegative(), logprob: z.number() })).nullish(),
});
export type CompletionLogprobs = z.infer<typeof completionLogprobs>;

const chatToken = z.object({
  token: z.string(),
  logprob: z.number(),
  bytes: z.array(z.int()).nullable(),
});

/** The format of chats: a list with one object per token. */
export const chatLogprobs = z.object({
  content: z.array(chatToken.extend({ top_logprobs: z.array(chatToken) })).nullable(),
  refusal: z.array(z.unknown()).nullable(),
});
export type ChatLogprobs = z.infer<typeof chatLogprobs>;
