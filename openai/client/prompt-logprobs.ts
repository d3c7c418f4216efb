/** Log-probabilities of given responses, by vLLM's `prompt_logprobs`. */
import { z } from 'zod';
import { InputError } from '../../data/errors.ts';
import { RequestRefused } from '../errors.ts';
import type { OpenAiClient } from './client.ts';

/** A prompt and a response to it, as token ids. */
interface Exchange {
  prompt: number[];
  response: number[];
}

/** By token id; `rank` and the text are not read. The first token has no log-probability. */
const ofPosition = z.record(z.string(), z.object({ logprob: z.number() })).nullable();
const readable = z.object({ choices: z.array(z.object({ prompt_logprobs: z.array(ofPosition).nullish() })).length(1) });

/**
 * The sum of the log-probabilities (nats) of a response's tokens, at temperature 1.
 * @throws InputError when the server rejects the request or gives no such log-probabilities, NotOnServer when it has not loaded the
 *   adapter, and the errors of `OpenAiClient.post`
 */
export async function logpOnServer(
  client: OpenAiClient,
  { prompt, response }: Exchange,
  signal?: AbortSignal,
): Promise<number> {
  const ids = [...prompt, ...response];
  // A server samples at least one token, which is ignored.
  const body = { model: client.model, prompt: ids, max_tokens: 1, temperature: 1, seed: 0, prompt_logprobs: 0 };
  const answer = await client.post('/completions', body, signal, readable).catch((error: unknown) => {
    if (!(error instanceof RequestRefused)) throw error;
    const advice = error.isTooLong
      ? `serve the model with a context of more than ${ids.length} tokens (vLLM: --max-model-len)`
      : 'sample.server.logprobs needs vLLM; set it to false, so that the engine computes log-probabilities';
    throw new InputError(`${error.message}; ${advice}.`);
  });
  const logprobs = answer.choices[0].prompt_logprobs;
  const values = logprobs?.slice(prompt.length).map((position, i) => position?.[String(response[i])]?.logprob);
  if (logprobs?.length !== ids.length || values?.some((value) => value === undefined)) {
    throw new InputError(
      `${client.url} gives no log-probabilities of a prompt's tokens (prompt_logprobs): use vLLM, ` +
        'or set sample.server.logprobs to false, so that the engine computes them.',
    );
  }
  return values!.reduce((sum: number, value) => sum + value!, 0);
}
