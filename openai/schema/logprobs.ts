/** Log-probabilities (nats) of a response's tokens, in the two forms of the OpenAI API. */
import { z } from 'zod';

/** Most alternatives to a token that a request may ask for: OpenAI's limit. */
export const MOST_TOP_LOGPROBS = 20;

/** Completions: parallel lists with an entry per token. */
export const completionLogprobs = z.object({
  /** With `return_tokens_as_token_ids`, `token_id:` and the id. */
  tokens: z.array(z.string()).nullish(),
  /** Null for the first token of a sequence, which nothing precedes. */
  token_logprobs: z.array(z.number().nullable()).nullish(),
  top_logprobs: z.array(z.record(z.string(), z.number()).nullable()).nullish(),
  /** Index of each token's first character in the text. */
  text_offset: z.array(z.int()).nullish(),
  /** llama.cpp's form, which has the ids. */
  content: z.array(z.object({ id: z.int().nonnegative(), logprob: z.number() })).nullish(),
});
export type CompletionLogprobs = z.infer<typeof completionLogprobs>;

const chatToken = z.object({
  token: z.string(),
  logprob: z.number(),
  bytes: z.array(z.int()).nullable(),
});

/** Chats: a list with an object per token. */
export const chatLogprobs = z.object({
  content: z.array(chatToken.extend({ top_logprobs: z.array(chatToken) })).nullable(),
  refusal: z.array(z.unknown()).nullable(),
});
export type ChatLogprobs = z.infer<typeof chatLogprobs>;
