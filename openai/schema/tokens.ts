/** Token ids in responses (vLLM's `return_token_ids`), and the token usage of a request. */
import { z } from 'zod';

const tokenIds = z.array(z.int().nonnegative());

/** The token ids of a choice. In a stream, only the first event of a choice contains the prompt's token ids. */
export const choiceTokens = {
  prompt_token_ids: tokenIds.nullish(),
  token_ids: tokenIds.nullish(),
};

export const usage = z.object({
  prompt_tokens: z.int(),
  completion_tokens: z.int(),
  total_tokens: z.int(),
});
export type Usage = z.infer<typeof usage>;
