/** The client with llama.cpp's server over a bad network. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { InputError } from '../../../data/errors.ts';
import { loadTokenizer } from '../../../engine/tokenizer/tokenizer.ts';
import { OpenAiClient } from '../../../openai/client/client.ts';
import { RequestRefused } from '../../../openai/errors.ts';
import type { ServerSettings } from '../../../openai/client/settings.ts';
import { startFaultProxy, type Fault, type FaultProxy } from '../../artifacts/fault-proxy.ts';
import { freePort } from '../../free-port.ts';
import { smollm2 } from '../../smollm2/model.ts';
import { startLlamaServer, type LlamaServer } from './llama-server.ts';

const KEY = 'sk-planted-for-the-server';
/** The maximum timeout. It is longer than a test. */
const UNREACHED_SECONDS = 300;
let llama: LlamaServer;
let proxy: FaultProxy;
/** Arrival times of requests at the proxy, in milliseconds. */
let seen: number[];

beforeAll(async () => {
  llama = await startLlamaServer(KEY);
});
afterAll(() => llama.stop());
beforeEach(async () => {
  process.env.OPENAI_API_KEY = KEY;
  proxy = await startFaultProxy(llama.port);
  inject({});
});
afterEach(() => {
  proxy.stop();
  delete process.env.OPENAI_API_KEY;
});

/** Injects faults into requests, by request number from 0. */
function inject(faults: Record<number, Fault>, others?: Fault) {
  seen = [];
  proxy.fault = () => faults[seen.push(performance.now()) - 1] ?? others;
}

const connect = (settings: Partial<ServerSettings> = {}) =>
  new OpenAiClient({
    url: `http://127.0.0.1:${proxy.port}/v1`,
    model: 'smollm2',
    timeoutSeconds: UNREACHED_SECONDS,
    ...settings,
  });

const say = (content: string) => [{ role: 'user', content }];
const greedily = { temperature: 0, maxTokens: 6 };
const QUESTIONS = [
  'Name a color.',
  'Name a fruit.',
  'Say hello.',
  'Count to three.',
  'Name an animal.',
  'Name a city.',
];

async function failureOf(work: Promise<unknown>): Promise<Error> {
  const failure = await work.then(
    () => new Error('It did not fail.'),
    (error: Error) => error,
  );
  expect(failure.message + failure.stack).not.toContain('planted');
  return failure;
}

describe('an answer', () => {
  test('has a text, why it ends, and the tokens that the model’s own tokenizer counts', async () => {
    const client = connect();
    const answer = await client.chat(say(QUESTIONS[0]), greedily);
    const tokenizer = loadTokenizer(await smollm2());
    expect(answer.finishReason).toBe('length');
    expect(answer.text).toMatch(/\w/);
    const usage = { promptTokens: tokenizer.encodePrompt(say(QUESTIONS[0])).length, completionTokens: 6 };
    expect(answer.usage).toEqual(usage);
    expect(seen).toHaveLength(1);
    expect(await client.chat(say(QUESTIONS[0]), greedily)).toEqual(answer);
  });

  test('of another path is what its schema says', async () => {
    const schema = z.object({ choices: z.array(z.object({ text: z.string() })) });
    const body = { prompt: 'One, two, three,', max_tokens: 3, temperature: 0 };
    const { choices } = await connect().post('/completions', body, undefined, schema);
    expect(choices[0].text).toContain('four');
  });
});

describe('faults', () => {
  const FAULTS: Record<number, Fault> = {
    1: { kind: 'limited', retryAfter: 1 },
    2: { kind: 'garble' },
    4: { kind: 'cut-answer', after: 20 },
    5: { kind: 'busy' },
    7: { kind: 'cut-request', after: 10 },
    8: { kind: 'cut-answer', after: 0 },
  };

  test('are mended by asking again: the answers are those without faults, and each fault costs one more request', async () => {
    const ask = (client: OpenAiClient) => Promise.all(QUESTIONS.map((text) => client.chat(say(text), greedily)));
    const undisturbed = await ask(connect());
    inject(FAULTS);
    const client = connect({ concurrency: 3 });
    expect(await ask(client)).toEqual(undisturbed);
    expect(proxy.done).toHaveLength(Object.keys(FAULTS).length);
    expect(seen).toHaveLength(QUESTIONS.length + proxy.done.length);
  });

  test('an answer that stalls is asked for again when its time is over', async () => {
    const undisturbed = await connect().chat(say('Hi'), greedily);
    inject({ 0: { kind: 'stall', after: 20 } });
    // Fake timers: the client's clock does not depend on the server's speed.
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const client = connect({ timeoutSeconds: 8 });
      const asked = client.chat(say('Hi'), greedily);
      await expect.poll(() => proxy.stalled).toBe(1);
      vi.advanceTimersByTime(7900);
      expect(seen).toHaveLength(1);
      vi.advanceTimersByTime(200);
      // The pause before the retry needs real time.
      vi.useRealTimers();
      expect(await asked).toEqual(undisturbed);
      expect(seen).toHaveLength(2);
    } finally {
      vi.useRealTimers();
    }
  });

  test('that do not end are an error that may be gone later, and says what it was', async () => {
    inject({}, { kind: 'busy' });
    const client = connect({ retries: 1 });
    const failure = await failureOf(client.chat(say('Hi'), greedily));
    expect(failure).not.toBeInstanceOf(InputError);
    expect(failure.message).toMatch(
      /^http:\/\/127.0.0.1:\d+\/v1 gave no answer \(attempts: 2\); last error: 503 .*SlowDown/,
    );
    expect(seen).toHaveLength(2);
    const nobody = connect({ url: `http://127.0.0.1:${await freePort()}/v1`, retries: 0 });
    expect((await failureOf(nobody.chat(say('Hi'), greedily))).message).toContain('ECONNREFUSED');
  });

  test('a server that asks for hours, as for the quota of a day, is not waited for', async () => {
    inject({}, { kind: 'limited', retryAfter: 86_399 });
    const failure = await failureOf(connect().chat(say('Hi'), greedily));
    expect(failure).not.toBeInstanceOf(InputError);
    expect(failure.message).toMatch(
      /gave no answer \(attempts: 1\); .*; it asks to wait 24\.0 hours; set requestsPerMinute/,
    );
    inject({});
    await connect().chat(say('Hi'), greedily);
    expect(seen).toHaveLength(1);
  });

  test('Retry-After holds back every request to that server', async () => {
    inject({ 0: { kind: 'limited', retryAfter: 1 } });
    const client = connect({ concurrency: 1 });
    await Promise.all([client.chat(say('Hi'), greedily), client.chat(say('Hello'), greedily)]);
    expect(seen).toHaveLength(3);
    expect(seen[1] - seen[0]).toBeGreaterThan(990);
    inject({ 0: { kind: 'limited', retryAfter: 1 } });
    await failureOf(connect({ retries: 0 }).chat(say('Hi'), greedily));
    await connect({ concurrency: 2 }).chat(say('Hello'), greedily);
    expect(seen[1] - seen[0]).toBeGreaterThan(990);
  });
});

describe('limits', () => {
  test('no more requests at the same time, and an abort that ends all at once', async () => {
    inject({}, { kind: 'stall', after: 0 });
    const stop = new AbortController();
    const client = connect({ concurrency: 3 });
    const asked = QUESTIONS.map((text) => failureOf(client.chat(say(text), { ...greedily, signal: stop.signal })));
    await expect.poll(() => seen.length).toBe(3);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(seen).toHaveLength(3);
    stop.abort();
    for (const failure of await Promise.all(asked)) expect(failure.name).toBe('AbortError');
  });

  test('an abort ends the pause before another attempt', async () => {
    inject({}, { kind: 'limited', retryAfter: 60 });
    const stop = new AbortController();
    const asked = failureOf(connect().chat(say('Hi'), { ...greedily, signal: stop.signal }));
    await expect.poll(() => seen.length).toBe(1);
    stop.abort();
    expect((await asked).name).toBe('AbortError');
  });

  test('requests a minute come evenly, over all that ask the same server', async () => {
    const clients = [1, 2].map(() => connect({ requestsPerMinute: 240, concurrency: 4 }));
    const start = performance.now();
    await Promise.all(clients.flatMap((client) => ['Hi', 'Hello'].map((text) => client.chat(say(text), greedily))));
    expect(seen).toHaveLength(4);
    // On a busy machine a request may arrive late, but not early.
    for (const [i, time] of seen.entries()) expect(time - start).toBeGreaterThan(250 * i - 5);
  });
});

describe('refusals', () => {
  test('of a key are told by the name of its variable, and the key is not in them', async () => {
    process.env.OPENAI_API_KEY = 'sk-planted-and-wrong';
    const wrong = await failureOf(connect().chat(say('Hi'), greedily));
    expect(wrong).toBeInstanceOf(InputError);
    expect(wrong.message).toMatch(
      /does not accept the key \(401 .*\); set the environment variable OPENAI_API_KEY to a valid one\.$/,
    );
    delete process.env.OPENAI_API_KEY;
    const none = await failureOf(connect().chat(say('Hi'), greedily));
    expect(none).toBeInstanceOf(InputError);
    expect(none.message).toMatch(/requires a key \(401 .*\); set the environment variable OPENAI_API_KEY\.$/);
    expect(seen).toHaveLength(2);
    expect(() => connect({ keyVariable: 'SELM_NO_SUCH_KEY' })).toThrow(InputError);
    process.env.SELM_TEST_KEY = KEY;
    await connect({ keyVariable: 'SELM_TEST_KEY' }).chat(say('Hi'), greedily);
  });

  test('of an address are bad input', async () => {
    const client = connect({ url: `http://127.0.0.1:${proxy.port}/v2` });
    const failure = await failureOf(client.chat(say('Hi'), greedily));
    expect(failure).toBeInstanceOf(InputError);
    expect(failure.message).toMatch(
      /v2 has no \/chat\/completions, or no model "smollm2" \(404 .*\); correct the address/,
    );
  });

  test('of one request leave the others', async () => {
    const client = connect();
    const failure = await failureOf(client.chat(say('word '.repeat(3000)), greedily));
    expect(failure).toBeInstanceOf(RequestRefused);
    expect(failure.message).toMatch(/rejected the request \(400 .*context/);
    expect(seen).toHaveLength(1);
    await client.chat(say('Hi'), greedily);
  });
});
