/** The client with servers that differ from OpenAI's first API in the requests that they reject and in their responses. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { InputError } from '../../../data/errors.ts';
import { OpenAiClient } from '../../../openai/client/client.ts';
import { NotOnServer, RequestRefused } from '../../../openai/errors.ts';
import { startRecording, type Recorded } from '../../recording-server.ts';

type Body = Record<string, unknown>;
type Reply = [number, unknown];

/** The reply of the server in the current test. */
let reply: (body: Body) => Reply;
let asked: Body[];
let model: string;
let count = 0;
const { url } = await startRecording(({ body }: Recorded) => {
  const request = JSON.parse(body) as Body;
  asked.push(request);
  return reply(request);
});
let key: string | undefined;
beforeEach(() => {
  key = process.env.OPENAI_API_KEY;
  delete process.env.OPENAI_API_KEY;
  asked = [];
  // A new model name for each test, because the client remembers the form of requests for a model.
  model = `model-${count++}`;
});
afterEach(() => {
  if (key !== undefined) process.env.OPENAI_API_KEY = key;
});

const connect = (settings: object = {}) => new OpenAiClient({ url: `${url}/v1`, model, retries: 0, ...settings });
const greedily = { temperature: 0, maxTokens: 6 };
const chat = (client: OpenAiClient, options: object = {}) =>
  client.chat([{ role: 'user', content: 'Hi' }], { ...greedily, ...options });
const answer = (message: unknown, finish_reason: string | null = 'stop'): Reply => [
  200,
  { choices: [{ message, finish_reason }], usage: { prompt_tokens: 3, completion_tokens: 2 } },
];
const said = answer({ role: 'assistant', content: 'Hello' });
const openAi = (message: string, param: string | null, code: string | null): Reply => [
  400,
  { error: { message, type: 'invalid_request_error', param, code } },
];

/** The parameters of the sent requests that differ between forms. */
const sent = () =>
  asked.map(({ max_tokens, max_completion_tokens, temperature }) => ({
    max_tokens,
    max_completion_tokens,
    temperature,
  }));

async function failureOf(work: Promise<unknown>): Promise<Error> {
  return work.then(
    () => new Error('It did not fail.'),
    (error: Error) => error,
  );
}

const NO_MAX_TOKENS = openAi(
  "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
  'max_tokens',
  'unsupported_parameter',
);
const NO_TEMPERATURE = openAi(
  "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is supported.",
  'temperature',
  'unsupported_value',
);
const reasoning = (body: Body): Reply => {
  if ('max_tokens' in body) return NO_MAX_TOKENS;
  return 'temperature' in body && body['temperature'] !== 1 ? NO_TEMPERATURE : said;
};

describe('parameters', () => {
  test('max_completion_tokens is sent where a server wants it, from then on at once, by all that ask it for that model', async () => {
    reply = (body) => ('max_tokens' in body ? NO_MAX_TOKENS : said);
    const client = connect();
    expect(await chat(client)).toEqual({
      text: 'Hello',
      finishReason: 'stop',
      usage: { promptTokens: 3, completionTokens: 2 },
    });
    expect(sent()).toEqual([
      { max_tokens: 6, temperature: 0 },
      { max_completion_tokens: 6, temperature: 0 },
    ]);
    await chat(client);
    await chat(connect());
    expect(asked).toHaveLength(4);
    await chat(connect({ model: `${model}-other` }));
    expect(sent()[4]).toEqual({ max_tokens: 6, temperature: 0 });
  });

  test('a model that takes neither max_tokens nor a temperature answers at its own, and the answer says so', async () => {
    reply = reasoning;
    const client = connect();
    expect(await chat(client)).toMatchObject({ text: 'Hello', withoutTemperature: true });
    expect(sent().at(-1)).toEqual({ max_completion_tokens: 6 });
    expect(asked).toHaveLength(3);
    expect(await chat(client)).toMatchObject({ withoutTemperature: true });
    expect(asked).toHaveLength(4);
  });

  test('its own temperature is sent', async () => {
    reply = reasoning;
    expect(await chat(connect(), { temperature: 1 })).not.toHaveProperty('withoutTemperature');
    expect(sent().at(-1)).toEqual({ max_completion_tokens: 6, temperature: 1 });
  });

  test('one that takes no temperature of 0 gets others', async () => {
    reply = (body) => (body['temperature'] === 0 ? [422, { error: '`temperature` must be strictly positive' }] : said);
    expect(await chat(connect())).toMatchObject({ withoutTemperature: true });
    expect(await chat(connect(), { temperature: 0.7 })).not.toHaveProperty('withoutTemperature');
    expect(sent().at(-1)).toEqual({ max_tokens: 6, temperature: 0.7 });
  });

  test('many that ask at the same time learn it, each for itself at first', async () => {
    reply = reasoning;
    const client = connect({ concurrency: 4 });
    await Promise.all(Array.from({ length: 4 }, () => chat(client)));
    expect(asked.length).toBeLessThanOrEqual(12);
  });

  test.each<[string, Reply, string]>([
    [
      "LiteLLM's",
      [
        400,
        {
          error: {
            message:
              "litellm.UnsupportedParamsError: O-series models don't support temperature=0. Only temperature=1 is supported.",
            type: null,
            param: null,
            code: '400',
          },
        },
      ],
      'temperature',
    ],
    [
      "LiteLLM's list",
      [
        400,
        {
          error: {
            message:
              "litellm.UnsupportedParamsError: azure does not support parameters: ['temperature'], for model=o3-mini.",
            type: 'None',
            param: 'None',
            code: '400',
          },
        },
      ],
      'temperature',
    ],
    [
      "Anthropic's",
      [
        400,
        {
          type: 'error',
          error: { type: 'invalid_request_error', message: '`temperature` is deprecated for this model.' },
        },
      ],
      'temperature',
    ],
    [
      "FastAPI's",
      [
        422,
        { detail: [{ type: 'extra_forbidden', loc: ['body', 'max_tokens'], msg: 'Extra inputs are not permitted' }] },
      ],
      'max_tokens',
    ],
    [
      "Mistral's",
      [
        422,
        {
          object: 'error',
          message: {
            detail: [{ type: 'extra_forbidden', loc: ['body', 'max_tokens'], msg: 'Extra inputs are not permitted' }],
          },
          code: null,
        },
      ],
      'max_tokens',
    ],
    [
      "older vLLM's",
      [
        400,
        { object: 'error', message: '`max_tokens` is not supported', type: 'BadRequestError', param: null, code: 400 },
      ],
      'max_tokens',
    ],
    [
      "Moonshot's",
      [
        400,
        { error: { message: 'invalid temperature: only 1 is allowed for this model', type: 'invalid_request_error' } },
      ],
      'temperature',
    ],
    [
      "Anthropic's with thinking",
      [
        400,
        {
          type: 'error',
          error: {
            type: 'invalid_request_error',
            message: '`temperature` may only be set to 1 when thinking is enabled.',
          },
        },
      ],
      'temperature',
    ],
    [
      "Gemini's",
      [
        400,
        [
          {
            error: {
              code: 400,
              message: 'Unsupported parameter: max_tokens. Use max_completion_tokens.',
              status: 'INVALID_ARGUMENT',
            },
          },
        ],
      ],
      'max_tokens',
    ],
    [
      "Text Generation Inference's",
      [422, { error: 'Input validation error: `temperature` must be strictly positive', error_type: 'validation' }],
      'temperature',
    ],
  ])('%s refusal is understood', async (_, refusal, parameter) => {
    reply = (body) => (parameter in body ? refusal : said);
    expect((await chat(connect())).text).toBe('Hello');
    expect(asked).toHaveLength(2);
    expect(asked[1]).not.toHaveProperty(parameter);
  });

  test.each([
    [
      'too many tokens',
      openAi(
        'max_tokens is too large: 6. This model supports at most 4 completion tokens.',
        'max_tokens',
        'invalid_value',
      ),
    ],
    [
      'a full context',
      openAi(
        "'max_tokens' or 'max_completion_tokens' is too large: 6. This model's maximum context length is 4 tokens.",
        'max_tokens',
        null,
      ),
    ],
    ['a temperature out of range', openAi('temperature must be at most 1.5', 'temperature', 'invalid_value')],
    [
      'another parameter',
      openAi(
        "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
        'messages[0].role',
        'unsupported_value',
      ),
    ],
  ])('%s: nothing is sent in another form', async (_, refusal) => {
    reply = () => refusal;
    expect(await failureOf(chat(connect(), { temperature: 2 }))).toBeInstanceOf(RequestRefused);
    expect(asked).toHaveLength(1);
  });

  test('a server that takes no form is asked a few times, and nothing is learned from it', async () => {
    reply = (body) =>
      'max_tokens' in body
        ? NO_MAX_TOKENS
        : openAi('Unrecognized request argument supplied: max_completion_tokens', null, null);
    const client = connect({ retries: 5 });
    const failure = await failureOf(chat(client));
    expect(failure.message).toMatch(
      /rejected the request \(400 Unrecognized request argument supplied: max_completion_tokens\)$/,
    );
    expect(asked).toHaveLength(2);
    reply = () => said;
    await chat(client);
    expect(sent().at(-1)).toEqual({ max_tokens: 6, temperature: 0 });
  });

  test('a change of form is no retry', async () => {
    let failed = false;
    reply = (body) => {
      if ('max_tokens' in body) return NO_MAX_TOKENS;
      if (failed) return said;
      failed = true;
      return [503, {}];
    };
    const client = connect({ retries: 1 });
    expect((await chat(client)).text).toBe('Hello');
    expect(asked).toHaveLength(3);
  });

  test('further fields of the body are sent', async () => {
    reply = () => said;
    await chat(connect(), { extraBody: { reasoning_effort: 'low' } });
    expect(asked[0]).toMatchObject({ model, max_tokens: 6, temperature: 0, reasoning_effort: 'low' });
  });
});

describe('answers', () => {
  test.each<[string, unknown, string]>([
    ['a text', { content: 'A' }, 'A'],
    [
      'parts',
      {
        content: [
          { type: 'text', text: 'A' },
          { type: 'text', text: 'B' },
        ],
      },
      'AB',
    ],
    ['parts of the Responses API', { content: [{ type: 'output_text', text: 'A', annotations: [] }] }, 'A'],
    [
      'a thought among parts',
      {
        content: [
          { type: 'thinking', thinking: [{ type: 'text', text: 'B' }] },
          { type: 'reasoning', text: 'B' },
          { type: 'text', text: 'A' },
        ],
      },
      'A',
    ],
    ['a refusal', { content: [{ type: 'refusal', refusal: 'No.' }] }, ''],
    ['a thought beside nothing', { content: null, reasoning_content: 'B' }, ''],
    ['a thought beside a text', { content: 'A', reasoning: 'B', reasoning_content: 'B' }, 'A'],
    ['nothing', {}, ''],
  ])('%s', async (_, message, text) => {
    reply = () => answer({ role: 'assistant', ...(message as object) }, 'length');
    expect(await chat(connect())).toMatchObject({ text, finishReason: 'length' });
  });
});

describe('the end of an answer', () => {
  test.each([
    ['length', {}, 'length'],
    ['model_length', {}, 'length'],
    ['max_tokens', {}, 'length'],
    ['content_filter', {}, 'content_filter'],
    ['stop', { content: null, refusal: 'No.' }, 'content_filter'],
    ['stop', { content: 'Yes.', refusal: null }, 'stop'],
    [null, {}, 'stop'],
  ])('%s with %j is read as %s', async (given, message, finishReason) => {
    reply = () => answer({ role: 'assistant', content: 'Hello', ...message }, given);
    expect(await chat(connect())).toMatchObject({ finishReason });
  });

  test("a provider's failure within an answer is temporary", async () => {
    const failed = {
      finish_reason: 'error',
      error: { code: 502, message: 'Upstream error' },
      message: { content: '' },
    };
    reply = () => (asked.length === 1 ? [200, { choices: [failed] }] : said);
    expect(await chat(connect({ retries: 1 }))).toMatchObject({ text: 'Hello' });
    reply = () => [200, { choices: [failed] }];
    const failure = await failureOf(chat(connect()));
    expect(failure.message).toMatch(/gave no answer \(attempts: 1\); last error: .*Upstream error/);
  });
});

describe('advice fits the cause', () => {
  test.each<[string, Reply, RegExp]>([
    [
      'no quota',
      [
        429,
        {
          error: {
            message: 'You exceeded your current quota.',
            type: 'insufficient_quota',
            param: null,
            code: 'insufficient_quota',
          },
        },
      ],
      /has no quota left for this key \(429 .*\); add credit .* or set the environment variable OPENAI_API_KEY to another key\.$/,
    ],
    [
      'no credit',
      [
        402,
        {
          error: { message: 'Insufficient Balance', type: 'unknown_error', param: null, code: 'invalid_request_error' },
        },
      ],
      /has no quota left/,
    ],
    [
      'no credit, by another status',
      [400, { error: { type: 'invalid_request_error', message: 'Your credit balance is too low to access the API.' } }],
      /has no quota left/,
    ],
    [
      'a key',
      [401, { error: { message: 'Incorrect API key provided.' } }],
      /requires a key \(401 .*\); set the environment variable OPENAI_API_KEY\.$/,
    ],
    [
      'a key of Gemini',
      [400, [{ error: { code: 400, message: 'API key not valid. Please pass a valid API key.' } }]],
      /requires a key \(400 API key not valid.*\); set the environment variable OPENAI_API_KEY\.$/,
    ],
    [
      'a right',
      [403, { error: { message: 'No access.' } }],
      /does not allow this key to use "model-\d+" \(403 No access\.\)/,
    ],
    [
      'a model',
      [
        404,
        {
          error: {
            message: 'The model `x` does not exist or you do not have access to it.',
            type: 'invalid_request_error',
            param: null,
            code: 'model_not_found',
          },
        },
      ],
      /has no model "model-\d+" for \/chat\/completions \(404 .*\); correct the model's name/,
    ],
    [
      'a model of Ollama',
      [404, { error: { message: 'model "x" not found, try pulling it first' } }],
      /has no model "model-\d+"/,
    ],
    [
      'a model, by another status',
      [400, { error: { message: 'Invalid model name passed in model=x.' } }],
      /has no model "model-\d+"/,
    ],
    [
      'a path',
      [404, { detail: 'Not Found' }],
      /has no \/chat\/completions, or no model "model-\d+" \(404 Not Found\); correct the address/,
    ],
    [
      'a method',
      [405, { detail: 'Method Not Allowed' }],
      /rejected the request to \/chat\/completions \(405 Method Not Allowed\); correct the address/,
    ],
  ])('%s', async (_, refusal, sentence) => {
    reply = () => refusal;
    const failure = await failureOf(chat(connect({ retries: 3 })));
    expect(failure).toBeInstanceOf(InputError);
    expect(failure.message).toMatch(sentence);
    expect(failure instanceof NotOnServer).toBe(refusal[0] === 404 || sentence.source.includes('no model'));
    expect(asked).toHaveLength(1);
  });

  test('too many requests', async () => {
    reply = () => [
      429,
      {
        error: {
          message: 'You exceeded your current quota, please check your plan.',
          code: 429,
          status: 'RESOURCE_EXHAUSTED',
        },
      },
    ];
    const failure = await failureOf(chat(connect({ retries: 1 })));
    expect(failure).not.toBeInstanceOf(InputError);
    expect(failure.message).toMatch(
      /gave no answer \(attempts: 2\); last error: 429 .*; set requestsPerMinute, or a lower concurrency$/,
    );
  });

  test.each<[string, Reply, boolean]>([
    [
      'OpenAI',
      openAi(
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
        'messages',
        'context_length_exceeded',
      ),
      true,
    ],
    [
      'older vLLM',
      [
        400,
        {
          object: 'error',
          message: "This model's maximum context length is 2048 tokens.",
          type: 'BadRequestError',
          param: null,
          code: 400,
        },
      ],
      true,
    ],
    [
      'llama.cpp',
      [
        400,
        {
          error: {
            code: 400,
            message: 'the request exceeds the available context size, try increasing it',
            type: 'exceed_context_size_error',
          },
        },
      ],
      true,
    ],
    [
      'Anthropic',
      [
        400,
        {
          type: 'error',
          error: { type: 'invalid_request_error', message: 'prompt is too long: 208310 tokens > 200000 maximum' },
        },
      ],
      true,
    ],
    [
      'selm serve',
      [
        400,
        {
          error: {
            message: "a sequence of 300 tokens is longer than the model's 256 positions: shorten it",
            type: 'invalid_request_error',
          },
        },
      ],
      true,
    ],
    ['a proxy', [413, { error: { message: 'Request Entity Too Large' } }], true],
    [
      'a rule',
      [400, { error: { message: 'The response was filtered.', code: 'content_filter', param: 'prompt' } }],
      false,
    ],
  ])('length: %s', async (_, refusal, isTooLong) => {
    reply = () => refusal;
    const failure = await failureOf(chat(connect()));
    expect(failure).toBeInstanceOf(RequestRefused);
    expect(failure).toMatchObject({ isTooLong });
    expect(failure.message).not.toContain('no body');
  });
});
