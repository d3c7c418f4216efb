/** Rewards of a reward model on a server, by vLLM's `/classify`. */
import { z } from 'zod';
import { InputError } from '../../data/errors.ts';
import { NotOnServer, RequestRefused } from '../errors.ts';
import type { OpenAiClient } from './client.ts';

// vLLM calls the outputs `probs` whether or not an activation makes them probabilities.
const readable = z.object({ data: z.array(z.object({ index: z.int().nonnegative(), probs: z.array(z.number()) })) });

/**
 * The model's output for each sequence: the logit, without an activation.
 * @param sequences token ids
 * @throws InputError when the server has no reward model, or rejects a sequence, and the errors of `OpenAiClient.post`
 */
export async function rewardsOnServer(
  client: OpenAiClient,
  sequences: number[][],
  signal?: AbortSignal,
): Promise<number[]> {
  const body = { model: client.model, input: sequences, use_activation: false, add_special_tokens: false };
  const { data } = await client.post('/classify', body, signal, readable).catch((error: unknown) => {
    if (!(error instanceof RequestRefused || error instanceof NotOnServer)) throw error;
    throw new InputError(
      `${client.url} gave no rewards (${error.said}): label.server needs vLLM with the reward model "${client.model}", ` +
        'started by vllm serve MODEL --runner pooling --convert classify, and with a context as long as the model has.',
    );
  });
  const outputs = data.toSorted((a, b) => a.index - b.index).map(({ probs }) => probs);
  if (outputs.length !== sequences.length || outputs.some(({ length }) => length !== 1)) {
    throw new InputError(
      `${client.url} gave ${outputs.length} × ${outputs[0]?.length ?? 0} numbers for ${sequences.length} sequences, ` +
        'but a reward model gives one for each: serve a reward model with one output.',
    );
  }
  return outputs.map(([reward]) => reward);
}
