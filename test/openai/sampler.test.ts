/** Sampling by a server that is another program, llama.cpp's: token ids in, and the tokens that its log-probabilities name. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startEngine } from '../../engine/host.ts';
import { loadTokenizer, type ModelTokenizer } from '../../engine/model/tokenizer.ts';
import { samplingSchema } from '../../engine/settings.ts';
import { ChatServer } from '../../openai/client.ts';
import { sampleFromServer, type TokenizedPrompt } from '../../openai/sampler.ts';
import { fixture, readJson } from '../engine/reference-case.ts';
import { smollm2 } from '../smollm2/model.ts';
import { startLlamaServer, type LlamaServer } from './llama-server.ts';

const KEY = 'sk-of-the-sampler';
const VARIABLE = 'SELM_TEST_SAMPLER_KEY';
/** Of transformers, with the same weights; llama.cpp rounds activations, too. */
const expected = readJson<{ prompt: string; prompt_ids: number[]; answer_ids: number[] }[]>(fixture('smollm2/expected.json')); // prettier-ignore

const engine = startEngine();
let model: string;
let llama: LlamaServer;
let server: ChatServer;
let tokenizer: ModelTokenizer;
let prompts: TokenizedPrompt[];

beforeAll(async () => {
  [model, llama] = await Promise.all([smollm2(), startLlamaServer(KEY)]);
  process.env[VARIABLE] = KEY;
  server = new ChatServer({ url: `http://127.0.0.1:${llama.port}/v1`, model: 'smollm2', keyVariable: VARIABLE });
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
  (await sampleFromServer({ server, tokenizer }, some, samplingSchema.parse(settings), seed, {})).responses; // prettier-ignore

test('greedy answers begin as those of transformers, with the log-probabilities that the engine gives them', async () => {
  const answers = (await sample({ maxNewTokens: 16 }, 0)).map(([answer]) => answer);
  const alike = answers.map(({ token_ids }, i) => token_ids.findIndex((id, at) => id !== expected[i].answer_ids[at]));
  console.log(alike, answers);
  const rows = answers.map(({ token_ids }, i) => ({ prompt_input_ids: prompts[i].tokens, response_input_ids: token_ids })); // prettier-ignore
  const scores = await engine.run('score', { policy: { model }, rows });
  console.log(
    scores,
    answers.map(({ logp }) => logp),
  );
  for (const { text, token_ids } of answers) expect(text).toBe(tokenizer.decode(token_ids));
});

test('an answer that ends has the token that ends it', async () => {
  const [[answer]] = await sample({ maxNewTokens: 64 }, 0, prompts.slice(0, 1));
  console.log(answer);
});

test('samples are drawn by their seeds', async () => {
  const drawn = { maxNewTokens: 8, temperature: 1, samplesPerPrompt: 3 };
  const [first, again, other] = [await sample(drawn, 1, prompts.slice(0, 2)), await sample(drawn, 1, prompts.slice(0, 2)), await sample(drawn, 2, prompts.slice(0, 2))]; // prettier-ignore
  expect(again).toEqual(first);
  expect(other).not.toEqual(first);
  for (const answers of first) expect(new Set(answers.map(({ text }) => text)).size).toBe(3);
});
