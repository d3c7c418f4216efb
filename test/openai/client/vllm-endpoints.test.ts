/** Requests that only vLLM answers: log-probabilities of a prompt, and rewards. The real vLLM is in test/vllm. */
import { expect, test } from 'vitest';
import { InputError } from '../../../data/errors.ts';
import { OpenAiClient } from '../../../openai/client/client.ts';
import { logpOnServer } from '../../../openai/client/prompt-logprobs.ts';
import { rewardsOnServer } from '../../../openai/client/rewards.ts';
import { startRecording } from '../../recording-server.ts';

/** A server that gives this answer to every request. */
async function answering(answer: unknown, status = 200) {
  const { url, requests } = await startRecording(() => [status, answer]);
  const bodies = () => requests.map(({ body }) => JSON.parse(body) as Record<string, unknown>);
  return { client: new OpenAiClient({ url, model: 'tiny', retries: 0 }), bodies };
}

const refusal = async (failing: Promise<unknown>): Promise<string> => {
  const error = await failing.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(InputError);
  return (error as Error).message;
};

// As vLLM writes it: none for the first token; the most likely token beside the given one.
const position = (id: number, logprob: number) => ({ [id]: { logprob, rank: 2, decoded_token: 'x' } });
const PROMPT_LOGPROBS = [null, position(5, -1), { ...position(6, -0.5), ...position(9, -0.1) }, position(7, -0.25)];

test("the log-probability of a response is the sum over its tokens, without the prompt's", async () => {
  const { client, bodies } = await answering({ choices: [{ text: 'a', prompt_logprobs: PROMPT_LOGPROBS }] });
  expect(await logpOnServer(client, { prompt: [4, 5], response: [6, 7] })).toBe(-0.75);
  expect(bodies()).toEqual([
    { model: 'tiny', prompt: [4, 5, 6, 7], max_tokens: 1, temperature: 1, seed: 0, prompt_logprobs: 0 },
  ]);
});

test.each([
  ['none', undefined],
  ['too few', PROMPT_LOGPROBS.slice(0, 3)],
  ['those of other tokens', [...PROMPT_LOGPROBS.slice(0, 3), position(8, -1)]],
])('a server that gives %s is refused', async (_, prompt_logprobs) => {
  const { client } = await answering({ choices: [{ text: 'a', prompt_logprobs }] });
  expect(await refusal(logpOnServer(client, { prompt: [4, 5], response: [6, 7] }))).toMatch(
    /gives no log-probabilities of a prompt's tokens .*sample\.server\.logprobs/,
  );
});

test('rewards are the raw outputs, in order', async () => {
  const data = [
    { index: 1, label: 'LABEL_0', probs: [-2.5], num_classes: 1 },
    { index: 0, label: 'LABEL_0', probs: [7], num_classes: 1 },
  ];
  const { client, bodies } = await answering({ object: 'list', data });
  expect(await rewardsOnServer(client, [[1, 2], [3]])).toEqual([7, -2.5]);
  expect(bodies()).toEqual([{ model: 'tiny', input: [[1, 2], [3]], use_activation: false, add_special_tokens: false }]);
});

test('a classifier with two outputs, and a server without one, are refused', async () => {
  const two = await answering({ data: [{ index: 0, probs: [0.5, 0.5] }] });
  expect(await refusal(rewardsOnServer(two.client, [[1]]))).toMatch(/gave 1 × 2 numbers for 1 sequences/);
  const none = await answering({ error: { message: 'Not Found' } }, 404);
  expect(await refusal(rewardsOnServer(none.client, [[1]]))).toMatch(/gave no rewards .*--runner pooling/);
});
