/** Sampling by llama.cpp's server: the client sends token ids and reads the tokens of the log-probabilities. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { Response } from '../../../data/records.ts';
import { loadTokenizer, type ModelTokenizer } from '../../../engine/tokenizer/tokenizer.ts';
import { samplingSchema } from '../../../engine/protocol/settings.ts';
import { OpenAiClient } from '../../../openai/client/client.ts';
import { sampleFromServer, type TokenizedPrompt } from '../../../openai/client/sampler.ts';
import { fixture, readJson } from '../../engine/reference-case.ts';
import { smollm2 } from '../../smollm2/model.ts';
import { startLlamaServer, type LlamaServer } from './llama-server.ts';
import { startEngine } from '../../../engine/backends.ts';

const KEY = 'sk-of-the-sampler';
const VARIABLE = 'SELM_TEST_SAMPLER_KEY';
const END_OF_TURN = 2;
/** Responses of transformers with the same weights. Some differ, because llama.cpp also rounds activations to 8 bits. */
const expected = readJson<{ prompt: string; prompt_ids: number[]; answer_ids: number[] }[]>(
  fixture('smollm2/expected.json'),
);

const engine = startEngine();
let model: string;
let llama: LlamaServer;
let client: OpenAiClient;
let tokenizer: ModelTokenizer;
let prompts: TokenizedPrompt[];

beforeAll(async () => {
  [model, llama] = await Promise.all([smollm2(), startLlamaServer(KEY)]);
  process.env[VARIABLE] = KEY;
  client = new OpenAiClient({ url: `http://127.0.0.1:${llama.port}/v1`, model: 'smollm2', keyVariable: VARIABLE });
  tokenizer = loadTokenizer(model);
  prompts = expected.map(({ prompt }, i) => {
    const chat = [{ role: 'user', content: prompt }];
    return { id: String(i), prompt: chat, tokens: tokenizer.encodePrompt(chat) };
  });
});
afterAll(async () => {
  delete process.env[VARIABLE];
  await engine.close();
  await llama.stop();
});

const sample = async (settings: object, seed: number, some = prompts) =>
  (await sampleFromServer({ client, tokenizer }, some, samplingSchema.parse(settings), seed, {})).responses;

describe('greedy answers', () => {
  let answers: Response[];
  beforeAll(async () => {
    answers = (await sample({ maxNewTokens: 16 }, 0)).map(([answer]) => answer);
  });

  test('are to the prompts as transformers tokenizes them', async () => {
    expect(prompts.map(({ tokens }) => tokens)).toEqual(expected.map(({ prompt_ids }) => prompt_ids));
    // The sampler compares this number with its own in each response that has it.
    const counted = z.object({ usage: z.object({ prompt_tokens: z.int() }) });
    for (const { tokens } of prompts) {
      const { usage } = await client.post('/completions', { prompt: tokens, max_tokens: 1 }, undefined, counted);
      expect(usage.prompt_tokens).toBe(tokens.length);
    }
  });

  test("have the tokens that were sampled, for some prompts transformers' own", () => {
    for (const { text, token_ids } of answers) expect(text).toBe(tokenizer.decode(token_ids));
    const alike = answers.filter(
      ({ token_ids }, i) => String(token_ids) === String(expected[i].answer_ids.slice(0, 16)),
    );
    expect(alike.length).toBeGreaterThanOrEqual(2);
    const ended = answers.filter(({ finish_reason }) => finish_reason === 'stop');
    expect(ended.length).toBeGreaterThan(0);
    for (const { token_ids } of ended) expect(token_ids.indexOf(END_OF_TURN)).toBe(token_ids.length - 1);
  });

  test('have log-probabilities like those that the engine gives the same tokens', async () => {
    const rows = answers.map(({ token_ids }, i) => ({
      prompt_input_ids: prompts[i].tokens,
      response_input_ids: token_ids,
    }));
    const scores = await engine.run('score', { policy: { model }, rows });
    const perToken = scores.map(({ logp, tokens }, i) => Math.abs(logp - answers[i].logp!) / tokens);
    expect(perToken.reduce((sum, difference) => sum + difference, 0) / perToken.length).toBeLessThan(0.3);
  });
});

test('samples are drawn by their seeds', async () => {
  const drawn = { maxNewTokens: 8, temperature: 1, samplesPerPrompt: 3 };
  const one = prompts.slice(0, 1);
  const [first, again, other] = [await sample(drawn, 1, one), await sample(drawn, 1, one), await sample(drawn, 2, one)];
  expect(again).toEqual(first);
  expect(other).not.toEqual(first);
  for (const answers of first) expect(new Set(answers.map(({ text }) => text)).size).toBe(3);
});
