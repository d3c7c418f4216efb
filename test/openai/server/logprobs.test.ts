/** `selm serve`: log-probabilities of tokens that are parts of characters, in the format of OpenAI's API. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { endpoint } from '../../../openai/server/app.ts';
import { Models } from '../../../openai/server/models.ts';
import { temporaryFolder } from '../../temporary.ts';
import { tinyModel } from '../../tiny-model.ts';
import { startEngine } from '../../../engine/backends.ts';

const model = tinyModel(join(temporaryFolder(), 'model'));
const file = join(model, 'tokenizer.json');
const tokenizer = JSON.parse(readFileSync(file, 'utf8')) as { model: { vocab: Record<string, number> } };
// Replaces letters by the symbols of bytes from 0xc0, each of which begins a character of several bytes.
const vocab = Object.entries(tokenizer.model.vocab).map(([token, id]) => [
  /^[a-zA-Z]$/.test(token) ? String.fromCodePoint(0xc0 + (id % 53)) : token,
  id,
]);
writeFileSync(
  file,
  JSON.stringify({ ...tokenizer, model: { ...tokenizer.model, vocab: Object.fromEntries(vocab) as object } }),
);
const engine = startEngine();
const app = endpoint(new Models('tiny', { model }, engine));
afterAll(() => engine.close());

const bodyOf = async (path: string, body: object) => {
  const all = { model: 'tiny', max_tokens: 16, temperature: 0, ...body };
  const response = await app.request(path, {
    method: 'POST',
    body: JSON.stringify(all),
    headers: { 'content-type': 'application/json' },
  });
  const text = await response.text();
  expect(response.status, text).toBe(200);
  return text;
};
const choiceOf = async <T>(path: string, body: object) =>
  (JSON.parse(await bodyOf(path, body)) as { choices: T[] }).choices[0];

test('of completions: each token by its bytes, none in place of another', async () => {
  const { logprobs } = await choiceOf<{ logprobs: { tokens: string[]; top_logprobs: Record<string, number>[] } }>(
    '/v1/completions',
    { prompt: [3, 60, 2, 4], logprobs: 20 },
  );
  const names = logprobs.top_logprobs.map((top) => Object.keys(top));
  expect(names.every(({ length }) => length >= 20)).toBe(true);
  expect(names.flat().some((name) => /^bytes:\\x[c-f][0-9a-f]$/.test(name))).toBe(true);
  expect(names.flat().join('')).not.toContain('\ufffd');
  for (const [i, token] of logprobs.tokens.entries()) expect(names[i]).toContain(token);
});

test('of chats: the bytes beside the text', async () => {
  type Entry = { token: string; bytes: number[] };
  const messages = [{ role: 'user', content: '1 + 1' }];
  const { logprobs } = await choiceOf<{ logprobs: { content: (Entry & { top_logprobs: Entry[] })[] } }>(
    '/v1/chat/completions',
    { messages, logprobs: true, top_logprobs: 20 },
  );
  const entries = logprobs.content.flatMap((entry) => [entry, ...entry.top_logprobs]);
  const parts = entries.filter(({ token }) => token.startsWith('\\x'));
  expect(parts.length).toBeGreaterThan(0);
  for (const { token, bytes } of parts) expect(token).toBe(`\\x${bytes[0].toString(16)}`);
  for (const { token, bytes } of entries.filter((entry) => !parts.includes(entry)))
    expect(bytes).toEqual([...Buffer.from(token)]);
  for (const { top_logprobs } of logprobs.content)
    expect(new Set(top_logprobs.map(({ token }) => token)).size).toBe(20);
});

test('a stream of such tokens is together the text', async () => {
  const { text } = await choiceOf<{ text: string }>('/v1/completions', { prompt: [3, 60, 2, 4] });
  expect(text).toContain('\ufffd');
  const events = (await bodyOf('/v1/completions', { prompt: [3, 60, 2, 4], stream: true }))
    .split('\n\n')
    .filter((event) => event.startsWith('data: {'));
  const pieces = events.map((event) => (JSON.parse(event.slice(6)) as { choices: { text: string }[] }).choices[0].text);
  expect(pieces.join('')).toBe(text);
});
