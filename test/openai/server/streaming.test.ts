/** `selm serve`: stop texts and streamed responses, read with OpenAI's client library. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import OpenAI from 'openai';
import { temporaryFolder } from '../../temporary.ts';
import { tinyModel } from '../../tiny-model.ts';
import { startServe, type Serving } from './serve.ts';

const folder = temporaryFolder();
const model = tinyModel(join(folder, 'model'));
let server: Serving;
let client: OpenAI;
/** The greedy response without a stop text. */
let text: string;
let tokens: number[];
const greedy = { model: 'tiny', prompt: 'Name a city.', max_tokens: 60, temperature: 0 };
const messages = [{ role: 'user' as const, content: 'Name a city.' }];

const complete = async (body: object) =>
  client.post<{
    choices: { text: string; token_ids: number[]; finish_reason: string; logprobs: { tokens: string[] } }[];
    usage: { completion_tokens: number };
  }>('/completions', { body: { ...greedy, return_token_ids: true, ...body } });

beforeAll(async () => {
  server = await startServe(model, ['--name', 'tiny']);
  client = new OpenAI({ baseURL: server.url, apiKey: 'none', maxRetries: 0 });
  const [choice] = (await complete({})).choices;
  ({ text, token_ids: tokens } = choice);
  expect(text.length).toBeGreaterThan(30);
});
afterAll(() => server.stop());

describe('stop', () => {
  test.each([0, 1, 5, 15, 16, 17, 29])(
    'ends an answer before its text, %i characters in, with the tokens up to it',
    async (at) => {
      const stop = text.slice(at, at + 3);
      const cut = text.indexOf(stop);
      for (const given of [stop, ['not in it', stop, text.slice(at + 1, at + 3)]]) {
        const { choices, usage } = await complete({ stop: given });
        const first = Math.min(
          ...[given]
            .flat()
            .map((one) => text.indexOf(one))
            .filter((place) => place >= 0),
        );
        const expected = Array.isArray(given) ? first : cut;
        expect(choices[0].text).toBe(text.slice(0, expected));
        expect(choices[0].finish_reason).toBe('stop');
        expect(choices[0].token_ids).toEqual(tokens.slice(0, choices[0].token_ids.length));
        expect(usage.completion_tokens).toBe(choices[0].token_ids.length);
      }
      const { choices } = await complete({ stop, logprobs: 1, echo: true });
      expect(choices[0].text).toBe(greedy.prompt + text.slice(0, cut));
    },
  );

  test('that does not occur changes nothing', async () => {
    const [{ text: same, finish_reason }] = (await complete({ stop: ['@@@@'] })).choices;
    expect([same, finish_reason]).toEqual([text, 'length']);
  });

  test('of a chat', async () => {
    const chat = { model: 'tiny', messages, max_tokens: 60, temperature: 0 };
    const whole = (await client.chat.completions.create(chat)).choices[0].message.content!;
    const stop = whole.slice(20, 22);
    const [choice] = (await client.chat.completions.create({ ...chat, stop })).choices;
    expect([choice.message.content, choice.finish_reason]).toEqual([whole.slice(0, whole.indexOf(stop)), 'stop']);
  });
});

describe('streaming', () => {
  test('sends a token at a time, together the answer', async () => {
    const stream = await client.completions.create({
      ...greedy,
      max_tokens: 150,
      stream: true,
      stream_options: { include_usage: true },
    });
    const pieces: string[] = [];
    let usage = 0;
    let reason: string | undefined;
    for await (const { choices, usage: counted } of stream) {
      usage = counted?.completion_tokens ?? usage;
      for (const choice of choices) {
        pieces.push(choice.text);
        reason = choice.finish_reason ?? reason;
      }
    }
    const whole = await complete({ max_tokens: 150 });
    expect(pieces.join('')).toBe(whole.choices[0].text);
    expect([usage, reason]).toEqual([whole.usage.completion_tokens, whole.choices[0].finish_reason]);
    // In the tiny model, each token is one character.
    expect(pieces.filter((piece) => piece.length === 1).length).toBeGreaterThan(usage / 2);
  });

  test('of a chat: the role, then the content, then why it ends', async () => {
    const chat = { model: 'tiny', messages, max_tokens: 20, temperature: 0 };
    const whole = await client.chat.completions.create(chat);
    const stream = await client.chat.completions.create({ ...chat, stream: true });
    const deltas = [];
    for await (const { choices } of stream) deltas.push(choices[0]);
    expect(deltas[0].delta).toEqual({ role: 'assistant', content: '' });
    expect(deltas.map(({ delta }) => delta.content ?? '').join('')).toBe(whole.choices[0].message.content);
    expect(deltas.map(({ finish_reason }) => finish_reason).filter(Boolean)).toEqual([whole.choices[0].finish_reason]);
    expect(deltas.at(-1)!.finish_reason).not.toBeNull();
  });

  test('never sends the beginning of a stop text, nor what comes after it', async () => {
    const stop = text.slice(10, 14);
    const stream = await client.completions.create({ ...greedy, stream: true, stop });
    let sent = '';
    for await (const { choices } of stream) {
      sent += choices[0].text;
      expect(text.slice(0, text.indexOf(stop)).startsWith(sent)).toBe(true);
    }
    expect(sent).toBe(text.slice(0, text.indexOf(stop)));
  });

  test('of a chat ends before the first of several stop texts, with what it has used', async () => {
    const chat = { model: 'tiny', messages, max_tokens: 60, temperature: 0 };
    const whole = (await client.chat.completions.create(chat)).choices[0].message.content!;
    const stop = ['@@@@', whole.slice(30, 33), whole.slice(22, 26)];
    const cut = Math.min(...stop.slice(1).map((one) => whole.indexOf(one)));
    const stream = await client.chat.completions.create({
      ...chat,
      stop,
      stream: true,
      stream_options: { include_usage: true },
    });
    const deltas = [];
    let usage;
    for await (const chunk of stream) {
      deltas.push(...chunk.choices);
      usage = chunk.usage ?? usage;
    }
    expect(deltas.map(({ delta }) => delta.content ?? '').join('')).toBe(whole.slice(0, cut));
    expect(deltas.map(({ finish_reason }) => finish_reason).filter(Boolean)).toEqual(['stop']);
    expect(usage).toEqual((await client.chat.completions.create({ ...chat, stop })).usage);
  });

  test('of several prompts and samples, with echo and log-probabilities: each choice is what it is in one piece', async () => {
    const body = { ...greedy, prompt: ['Name a city.', 'Count.'], n: 2, seed: 3, temperature: 1, max_tokens: 12 };
    for (const more of [{}, { echo: true }, { logprobs: 2 }, { echo: true, logprobs: 2 }]) {
      const whole = await client.completions.create({ ...body, ...more });
      const stream = await client.completions.create({ ...body, ...more, stream: true });
      const texts = whole.choices.map(() => '');
      const offsets: number[][] = whole.choices.map(() => []);
      const logps: number[][] = whole.choices.map(() => []);
      for await (const { choices } of stream) {
        for (const { index, text: piece, logprobs } of choices) {
          texts[index] += piece;
          offsets[index].push(...(logprobs?.text_offset ?? []));
          logps[index].push(...(logprobs?.token_logprobs ?? []));
        }
      }
      expect(texts).toEqual(whole.choices.map((choice) => choice.text));
      expect(logps).toEqual(whole.choices.map(({ logprobs }) => logprobs?.token_logprobs ?? []));
      expect(offsets).toEqual(whole.choices.map(({ logprobs }) => logprobs?.text_offset ?? []));
    }
  });

  test('refuses what cannot be answered with a status, as without streaming', async () => {
    const { status, text: said } = await server.ask('/completions', { ...greedy, max_tokens: 1000, stream: true });
    expect([status, said]).toEqual([400, expect.stringContaining('longer than')]);
  });
});
