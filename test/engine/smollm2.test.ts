/** The engine on a real chat model, against transformers (test/fixtures/smollm2). */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openLlamaPolicy } from '../../engine/tokens/policy.ts';
import { samplingSchema } from '../../engine/protocol/settings.ts';
import { smollm2 } from '../smollm2/model.ts';
import { fixture, readJson } from './reference-case.ts';
import { startEngine } from '../../engine/backends.ts';

interface Expected {
  prompt: string;
  prompt_ids: number[];
  answer_ids: number[];
  logp: number;
}

const expected = readJson<Expected[]>(fixture('smollm2/expected.json'));
const chat = (content: string) => [{ role: 'user' as const, content }];
const engine = startEngine();
let model: string;

beforeAll(async () => {
  model = await smollm2();
});
afterAll(() => engine.close());

it("encodes chats as transformers' chat template does", () => {
  const tokenizer = openLlamaPolicy({ model }).tokenizer();
  for (const { prompt, prompt_ids } of expected) expect(tokenizer.encodePrompt(chat(prompt))).toEqual(prompt_ids);
});

it('gives the greedy tokens of transformers for 64 tokens of 8 prompts, with their log-probabilities', async () => {
  const prompts = expected.map(({ prompt }, i) => ({ id: String(i), prompt: chat(prompt) }));
  const settings = samplingSchema.parse({ maxNewTokens: 64 });
  const { responses } = await engine.run('sample', { policy: { model }, prompts, settings, seed: 0 });
  expect(responses.map(([{ token_ids }]) => token_ids)).toEqual(expected.map(({ answer_ids }) => answer_ids));
  for (const [i, [{ logp }]] of responses.entries()) expect(logp).toBeCloseTo(expected[i].logp, 2);
});

it("scores given answers with PyTorch's log-probabilities", async () => {
  const rows = expected.map(({ prompt_ids, answer_ids }) => ({
    prompt_input_ids: prompt_ids,
    response_input_ids: answer_ids,
  }));
  const scores = await engine.run('score', { policy: { model }, rows });
  for (const [i, { logp }] of scores.entries()) expect(logp).toBeCloseTo(expected[i].logp, 2);
});
