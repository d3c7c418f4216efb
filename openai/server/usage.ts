/** Token ids and token usage of responses. */
import type { Usage } from '../schema/tokens.ts';
import type { ModelResponse } from './responder.ts';

/** The token ids of the prompt and of the response, including its end-of-turn token. */
export const tokenIdsOf = ({ tokens, responseTokens }: ModelResponse, prompt: number[]) => ({
  prompt_token_ids: prompt,
  token_ids: tokens.slice(tokens.length - responseTokens),
});

/** The usage of a request. @param n responses per prompt; each prompt is counted once */
export function usageOf(responses: ModelResponse[], n: number): Usage {
  const prompt_tokens = responses.reduce((total, { promptTokens }) => total + promptTokens, 0) / n;
  const completion_tokens = responses.reduce((total, { responseTokens }) => total + responseTokens, 0);
  return { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens };
}
