/** Compares the schemas of messages with the types of the OpenAI library and with the messages of selm's server. */
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import type OpenAI from 'openai';
import { afterAll, describe, expect, expectTypeOf, test } from 'vitest';
import type { z } from 'zod';
import { MOST_LIKELY } from '../../engine/protocol/jobs.ts';
import { chatChunk, chatResponse, type ChatChunk, type ChatResponse } from '../../openai/schema/chat.ts';
import { completionChunk, completionResponse, type CompletionResponse } from '../../openai/schema/completions.ts';
import { errorBody } from '../../openai/schema/errors.ts';
import { MOST_TOP_LOGPROBS } from '../../openai/schema/logprobs.ts';
import { modelCard, modelList, type ModelCard } from '../../openai/schema/models.ts';
import { endpoint } from '../../openai/server/app.ts';
import { Models } from '../../openai/server/models.ts';
import { temporaryFolder } from '../temporary.ts';
import { tinyAdapter, tinyModel } from '../tiny-model.ts';
import { inProcessEngine } from './server/in-process.ts';

test('have the types that the OpenAI library has', () => {
  type WithUsage<T extends { usage?: unknown }> = T & { usage: NonNullable<T['usage']> };
  expectTypeOf<WithUsage<OpenAI.Chat.ChatCompletion>>().toExtend<ChatResponse>();
  expectTypeOf<OpenAI.Chat.ChatCompletionChunk>().toExtend<Omit<ChatChunk, 'choices'>>();
  expectTypeOf<WithUsage<OpenAI.Completion>>().toExtend<CompletionResponse>();
  expectTypeOf<OpenAI.Model>().toExtend<ModelCard>();
});

const folder = temporaryFolder();
const model = tinyModel(join(folder, 'model'));
const adapter = join(folder, 'adapter');
cpSync(tinyAdapter, adapter, { recursive: true });
const engine = inProcessEngine();
const app = endpoint(new Models('tiny', { model }, engine, { folders: [folder], copies: folder }));
afterAll(() => engine.close());

const post = (path: string, body: object) =>
  app.request(`/v1${path}`, {
    method: 'POST',
    body: JSON.stringify({ model: 'tiny', ...body }),
    headers: { 'content-type': 'application/json' },
  });

/** Checks that the schema describes all fields of a message. A schema drops fields that it does not describe. */
const expectDescribed = (schema: z.ZodType, message: unknown) => expect(schema.parse(message)).toEqual(message);

describe('describe all of', () => {
  const messages = [{ role: 'user', content: '1 + 1' }];
  const tokens = { max_tokens: 4, n: 2, return_token_ids: true };

  test.each([
    ['a chat', '/chat/completions', { messages, ...tokens, logprobs: true, top_logprobs: 3 }, chatResponse],
    ['a completion', '/completions', { prompt: [3, 40, 2], ...tokens, logprobs: 3, echo: true }, completionResponse],
  ])('%s', async (_, path, body, schema) => {
    expectDescribed(schema, await (await post(path, body)).json());
  });

  test.each([
    ['a chat', '/chat/completions', { messages, ...tokens, logprobs: true, top_logprobs: 3 }, chatChunk],
    ['a completion', '/completions', { prompt: [3, 40, 2], ...tokens, logprobs: 3, echo: true }, completionChunk],
  ])('a stream of %s', async (_, path, body, schema) => {
    const text = await (await post(path, { ...body, stream: true, stream_options: { include_usage: true } })).text();
    const events = text.split('\n\n').filter((event) => event.startsWith('data: {'));
    expect(events.length).toBeGreaterThan(8);
    for (const event of events) expectDescribed(schema, JSON.parse(event.slice('data: '.length)));
  });

  test.each([
    ['an unknown field', '/completions', { prompt: 'x', no_such_field: 1 }],
    ['an unknown model', '/completions', { model: 'other', prompt: 'x' }],
    ['an adapter whose name is taken', '/load_lora_adapter', { lora_name: 'tiny', lora_path: adapter }],
  ])('the error for %s', async (_, path, body) => {
    const response = await post(path, body);
    expect(response.status).toBeGreaterThanOrEqual(400);
    expectDescribed(errorBody, await response.json());
  });

  test('models and adapters', async () => {
    const load = { method: 'POST', body: JSON.stringify({ lora_name: 'one', lora_path: adapter }) };
    expect((await app.request('/v1/load_lora_adapter', load)).status).toBe(200);
    expectDescribed(modelList, await (await app.request('/v1/models')).json());
    expectDescribed(modelCard, await (await app.request('/v1/models/one')).json());
  });
});

test('the engine computes as many alternatives to a token as a request may ask for', () => {
  expect(MOST_TOP_LOGPROBS).toBe(MOST_LIKELY);
});
