/** What responses tell about their tokens. */
import type { Usage } from '../schema/tokens.ts';
import type { ModelResponse } from './responder.ts';

/** A response's own tokens, its end-of-turn token included, and its prompt's. */
export const tokenIdsOf = ({ tokens, responseTokens }: ModelResponse, prompt: number[]) => ({
  prompt_token_ids: prompt,
  token_ids: tokens.slice(tokens.length - responseTokens),
});

/** @param n responses per prompt: each prompt counts once */
export function usageOf(responses: ModelResponse[], n: number): Usage {
  const prompt_tokens = responses.reduce((total, { promptTokens }) => total + promptTokens, 0) / n;
  const completion_tokens = responses.reduce((total, { responseTokens }) => total + responseTokens, 0);
  return { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens };
}
