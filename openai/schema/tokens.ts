/** Token ids in responses (vLLM's `return_token_ids`), and how many tokens a request used. */
import { z } from 'zod';

const tokenIds = z.array(z.int().nonnegative());

/** The tokens of a choice; of a stream's choices only the first has those of the prompt. */
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
