/** The endpoint over HTTP: streamed events before the end of a response, and cancellation when a client disconnects. */
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { serve } from '@hono/node-server';
import OpenAI from 'openai';
import { afterAll, expect, test } from 'vitest';
import { endpoint } from '../../../openai/server/app.ts';
import { Models } from '../../../openai/server/models.ts';
import type { CallOptions, Engine, Progress } from '../../../engine/protocol/jobs.ts';
import { temporaryFolder } from '../../temporary.ts';
import { tinyModel } from '../../tiny-model.ts';
import { inProcessEngine } from './in-process.ts';

const model = tinyModel(join(temporaryFolder(), 'model'));
const engine = inProcessEngine();
const servers: Server[] = [];
afterAll(async () => {
  for (const server of servers) server.close();
  await engine.close();
});

type Perform = (job: (options: CallOptions) => Promise<unknown>, options: CallOptions) => Promise<unknown>;

/** Starts an endpoint whose jobs are run by `perform`. */
async function start(perform: Perform): Promise<OpenAI> {
  const run = (method: never, job: never, options: CallOptions = {}) =>
    perform((own) => engine.run(method, job, own), options);
  const app = endpoint(new Models('tiny', { model }, { run, close: async () => {} } as Engine));
  const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }) as Server;
  servers.push(server);
  await once(server, 'listening');
  return new OpenAI({
    baseURL: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    apiKey: 'none',
    maxRetries: 0,
  });
}

/** Starts an endpoint that gets the first token of a response immediately, and the other tokens when `release` is called. */
async function startHoldingBack() {
  let release!: () => void;
  const released = new Promise<void>((resolve) => (release = resolve));
  const client = await start(async (job, { onProgress, ...options }) => {
    const held: Progress[] = [];
    let isFirst = true;
    const result = await job({
      ...options,
      onProgress(progress) {
        if (isFirst) onProgress?.(progress);
        else held.push(progress);
        isFirst = false;
      },
    });
    await released;
    for (const progress of held) onProgress?.(progress);
    return result;
  });
  return { client, release };
}

const completion = { model: 'tiny', prompt: 'Name a city.', max_tokens: 60, temperature: 0 };
const chat = {
  model: 'tiny',
  messages: [{ role: 'user' as const, content: 'Name a city.' }],
  max_tokens: 60,
  temperature: 0,
};

test('a completion: its first token is with the client before the engine has told of the second', async () => {
  const { client, release } = await startHoldingBack();
  let text = '';
  for await (const { choices } of await client.completions.create({ ...completion, stream: true })) {
    // Without this event the response would never end.
    if (text === '') release();
    text += choices[0].text;
  }
  const { choices } = await client.completions.create(completion);
  expect(text).toBe(choices[0].text);
});

test('a chat: likewise', async () => {
  const { client, release } = await startHoldingBack();
  let text = '';
  for await (const { choices } of await client.chat.completions.create({ ...chat, stream: true })) {
    if (choices[0].delta.content) release();
    text += choices[0].delta.content ?? '';
  }
  const { choices } = await client.chat.completions.create(chat);
  expect(text).toBe(choices[0].message.content);
});

/** Starts an endpoint that records the last progress of its engine. */
async function startCounting(onProgress: () => void = () => {}) {
  const jobs: Progress[] = [];
  const client = await start((job, options) => {
    const at = jobs.length;
    return job({
      ...options,
      onProgress(progress) {
        jobs[at] = progress;
        options.onProgress?.(progress);
        onProgress();
      },
    });
  });
  return { client, jobs };
}

/** Resolves when all earlier jobs of the engine have ended, because jobs run one after the other. */
const jobsEnded = () => engine.run('scoreTokens', { policy: { model }, sequences: [[3, 40]] });

test('a client that leaves a stream is no longer answered', async () => {
  const { client, jobs } = await startCounting();
  const stream = await client.completions.create({ ...completion, max_tokens: 200, stream: true });
  for await (const _ of stream) break;
  await jobsEnded();
  expect(jobs).toHaveLength(1);
  expect(jobs[0].tokens).toBeLessThan(200);
});

test.each([
  ['an answer', 200, {}],
  ['log-probabilities', 200, { logprobs: 1 }],
  ['several answers', 800, { n: 4 }],
])('a client that closes its connection before it has %s is no longer answered', async (_, all, more) => {
  const gone = new AbortController();
  const { client, jobs } = await startCounting(() => gone.abort());
  const asked = client.completions.create({ ...completion, max_tokens: 200, ...more }, { signal: gone.signal });
  await expect(asked).rejects.toThrow(/abort/i);
  await jobsEnded();
  expect(jobs).toHaveLength(1);
  expect(jobs[0].tokens).toBeLessThan(all);
});
