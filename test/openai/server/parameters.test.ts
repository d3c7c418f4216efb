/** Request parameters of `selm serve`. Unsupported parameters that would change the response are rejected by name. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import OpenAI, { BadRequestError } from 'openai';
import { temporaryFolder } from '../../temporary.ts';
import { tinyModel } from '../../tiny-model.ts';
import { startServe, type Serving } from './serve.ts';

const folder = temporaryFolder();
const model = tinyModel(join(folder, 'model'));
let server: Serving;
let client: OpenAI;
beforeAll(async () => {
  server = await startServe(model, ['--name', 'tiny', '--adapters', folder]);
  client = new OpenAI({ baseURL: server.url, apiKey: 'none', maxRetries: 0 });
});
afterAll(() => server.stop());

const PATHS = {
  completions: { model: 'tiny', prompt: [3, 40, 50, 2, 4], max_tokens: 2, temperature: 0 },
  'chat/completions': { model: 'tiny', messages: [{ role: 'user', content: 'a b c' }], max_tokens: 2, temperature: 0 },
};
type Path = keyof typeof PATHS;
const BOTH = Object.keys(PATHS) as Path[];

const post = (path: Path, body: object) =>
  client.post<{ choices: Record<string, unknown>[] }>(`/${path}`, { body: { ...PATHS[path], ...body } });

async function refusalOf(path: Path, body: object) {
  const error = await post(path, body).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error, JSON.stringify(body)).toBeInstanceOf(BadRequestError);
  const { type, code, param, message } = error as BadRequestError;
  expect(type).toBe('invalid_request_error');
  return { code, param, message };
}

/** The chunks of a streamed response. */
async function streamed(path: Path, body: object) {
  const { text } = await server.ask(`/${path}`, { ...PATHS[path], stream: true, ...body });
  const events = text.split('\n\n').filter((event) => event.startsWith('data: {'));
  return events.map((event) => JSON.parse(event.slice(6)) as { usage?: object | null; choices: object[] });
}

const load = (body: object) =>
  server.ask('/load_lora_adapter', { lora_name: 'a', lora_path: join(folder, 'nowhere'), ...body });

describe.each(BOTH)('%s', (path) => {
  test.each([
    ['frequency_penalty', 0.5, 0],
    ['presence_penalty', -1, 0],
    ['repetition_penalty', 1.1, 1],
    ['min_p', 0.05, 0],
    ['min_tokens', 3, 0],
    ['length_penalty', 2, 1],
    ['logit_bias', { '50': -100 }, {}],
    ['response_format', { type: 'json_object' }, { type: 'text' }],
    ['ignore_eos', true, false],
    ['include_stop_str_in_output', true, false],
    ['skip_special_tokens', false, true],
    ['bad_words', ['x'], []],
  ])('%s: %j is refused by name, and %j is taken', async (parameter, value, neutral) => {
    const { code, param, message } = await refusalOf(path, { [parameter]: value });
    expect([code, param]).toEqual(['unsupported_value', parameter]);
    expect(message).toBe(
      `400 Unsupported value: '${parameter}' does not support ${JSON.stringify(value)} with this model. Only the default (${JSON.stringify(neutral)}) value is supported.`,
    );
    for (const taken of [neutral, null]) expect((await post(path, { [parameter]: taken })).choices).toHaveLength(1);
  });

  test.each([
    ['guided_json', { type: 'object' }],
    ['guided_regex', 'a+'],
    ['guided_choice', ['a']],
    ['structured_outputs', { choice: ['a'] }],
    ['allowed_token_ids', [1]],
    ['prompt_logprobs', 1],
    ['truncate_prompt_tokens', 4],
  ])('%s is refused by name', async (parameter, value) => {
    const { code, param, message } = await refusalOf(path, { [parameter]: value });
    expect([code, param]).toEqual(['unsupported_parameter', parameter]);
    expect(message).toBe(`400 Unsupported parameter: '${parameter}' is not supported with this model.`);
  });

  test('what is not known is refused as OpenAI does', async () => {
    expect(await refusalOf(path, { top_a: 0.1 })).toEqual({
      code: 'unknown_parameter',
      param: 'top_a',
      message: '400 Unrecognized request argument supplied: top_a',
    });
    expect((await refusalOf(path, { top_a: 0.1, dry: 1 })).message).toBe(
      '400 Unrecognized request arguments supplied: top_a, dry',
    );
    expect(await refusalOf(path, { stream: true, stream_options: { continuous_usage_stats: true } })).toMatchObject({
      param: 'stream_options.continuous_usage_stats',
    });
  });

  test('what says nothing of the answer is taken', async () => {
    const body = { user: 'me', metadata: { run: '1' }, store: true, service_tier: 'auto', seed: 1234, stop: null };
    expect((await post(path, body)).choices).toHaveLength(1);
  });

  test('stop_token_ids: those that end every answer, and no others', async () => {
    const { choices } = await post(path, { stop_token_ids: [2] });
    expect(choices).toEqual((await post(path, {})).choices);
    expect(await refusalOf(path, { stop_token_ids: [2, 40] })).toMatchObject({
      code: 'unsupported_value',
      param: 'stop_token_ids',
      message: expect.stringContaining('does not support 40') as string,
    });
  });

  test('stream_options: usage comes last where it is wanted', async () => {
    const plain = await streamed(path, {});
    expect(plain.every((chunk) => !('usage' in chunk))).toBe(true);
    const counted = await streamed(path, { stream_options: { include_usage: true } });
    expect(counted).toHaveLength(plain.length + 1);
    expect(counted.slice(0, -1).every(({ usage }) => usage === null)).toBe(true);
    expect(counted.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: 2 } });
  });
});

test.each<[Path, object, string]>([
  ['completions', { suffix: 'end' }, 'suffix'],
  ['completions', { best_of: 4 }, 'best_of'],
  ['completions', { best_of: 4, n: 2 }, 'best_of'],
  ['completions', { max_completion_tokens: 4 }, 'max_completion_tokens'],
  ['completions', { messages: [] }, 'messages'],
  ['completions', { add_special_tokens: false }, 'add_special_tokens'],
  ['chat/completions', { tools: [{ type: 'function', function: { name: 'f' } }] }, 'tools'],
  ['chat/completions', { tool_choice: 'required' }, 'tool_choice'],
  ['chat/completions', { functions: [{ name: 'f' }] }, 'functions'],
  ['chat/completions', { reasoning_effort: 'low' }, 'reasoning_effort'],
  ['chat/completions', { modalities: ['text', 'audio'] }, 'modalities'],
  ['chat/completions', { max_tokens: 4, max_completion_tokens: 5 }, 'max_tokens'],
  ['chat/completions', { top_logprobs: 2 }, 'top_logprobs'],
  ['chat/completions', { chat_template_kwargs: { enable_thinking: false } }, 'chat_template_kwargs'],
  ['chat/completions', { chat_template: '{{ messages }}' }, 'chat_template'],
  ['chat/completions', { continue_final_message: true }, 'continue_final_message'],
  ['chat/completions', { add_generation_prompt: false }, 'add_generation_prompt'],
  [
    'chat/completions',
    { messages: [{ role: 'assistant', content: 'a' }], continue_final_message: true, add_generation_prompt: true },
    'add_generation_prompt',
  ],
  ['chat/completions', { best_of: 1 }, 'best_of'],
])('%s refuses %j', async (path, body, parameter) => {
  expect(await refusalOf(path, body)).toMatchObject({ param: parameter });
});

test("an assistant's last message is continued, as clients of vLLM ask for it", async () => {
  const messages = [
    { role: 'user', content: 'Hi' },
    { role: 'assistant', content: 'Well' },
  ];
  const body = { messages, max_tokens: 8 };
  const [plain, asked] = await Promise.all([
    post('chat/completions', body),
    post('chat/completions', { ...body, continue_final_message: true, add_generation_prompt: false }),
  ]);
  expect(asked.choices).toEqual(plain.choices);
});

test.each([
  [['a', ''], 'prompt[1] is empty'],
  [[[3], []], 'prompt[1] is empty'],
  ['', 'it is empty; expected a text, token ids, or a list of either'],
  [[3, 'a'], 'prompt[1] is of another kind than prompt[0]; expected a text, token ids, or a list of either'],
  [['a', 'b', true], 'prompt[2] is neither a text nor token ids; expected a text, token ids, or a list of either'],
])('the prompt %j is refused: %s', async (given, problem) => {
  expect(await refusalOf('completions', { prompt: given })).toMatchObject({
    param: 'prompt',
    message: expect.stringContaining(`"prompt" is not valid: ${problem}.`) as string,
  });
});

const many = (item: string, count: number) => `[${Array.from({ length: count }, () => item).join(',')}]`;

test.each<[Path, string, string]>([
  ['completions', 'prompt', many('true', 400_000)],
  ['completions', 'prompt', `[${many('true', 400_000)}]`],
  ['completions', 'prompt', '[3, "a"]'],
  ['completions', 'prompt', '[3, -1]'],
  ['completions', 'prompt', '[[3], []]'],
  ['completions', 'prompt', '["a", ""]'],
  ['completions', 'prompt', '[]'],
  ['completions', 'prompt', '""'],
  ['completions', 'stop', many('true', 400_000)],
  ['completions', 'stop', many('"a"', 65)],
  ['chat/completions', 'stop', JSON.stringify('a'.repeat(1025))],
  ['completions', 'stop_token_ids', many('true', 400_000)],
  ['chat/completions', 'messages', `[{"role": "user", "content": ${many('1', 900_000)}}]`],
  ['chat/completions', 'messages', '[]'],
])('%s: %s that is malformed is refused by name, however large', async (path, parameter, json) => {
  const { [parameter]: _, ...others } = PATHS[path] as Record<string, unknown>;
  const body = `${JSON.stringify(others).slice(0, -1)},"${parameter}":${json}}`;
  const response = await fetch(`${server.url}/${path}`, { method: 'POST', body });
  expect(await response.json()).toEqual({
    error: {
      type: 'invalid_request_error',
      param: expect.stringMatching(`^${parameter}`) as string,
      code: null,
      message: expect.stringContaining(parameter) as string,
    },
  });
  expect(response.status).toBe(400);
});

test('a temperature next to 0 is greedy, as with vLLM', async () => {
  const greedy = await post('completions', { max_tokens: 8 });
  for (const temperature of [1e-6, 1e-45, 1e-300]) {
    expect((await post('completions', { max_tokens: 8, temperature })).choices).toEqual(greedy.choices);
  }
});

test.each<[Path, object]>([
  ['completions', { suffix: null, best_of: 1, logit_bias: null, min_p: 0, top_k: -1, repetition_penalty: 1 }],
  ['completions', { best_of: 2, n: 2 }],
  ['chat/completions', { tools: [], tool_choice: 'none', functions: null, function_call: 'auto' }],
  [
    'chat/completions',
    { max_tokens: null, max_completion_tokens: 2, reasoning_effort: null, chat_template_kwargs: {} },
  ],
  ['chat/completions', { logprobs: true, top_logprobs: 1, parallel_tool_calls: true, modalities: ['text'] }],
])('%s takes %j', async (path, body) => {
  expect((await post(path, body)).choices.length).toBeGreaterThan(0);
});

test.each<[string, Path, object]>([
  [
    'local-completions, log-likelihoods',
    'completions',
    {
      prompt: [
        [3, 40, 50],
        [3, 40],
      ],
      temperature: 0,
      max_tokens: 1,
      logprobs: 1,
      seed: 1234,
      echo: true,
    },
  ],
  [
    'local-completions, generation',
    'completions',
    { max_tokens: 4, temperature: 0, stop: ['\n', '</s>'], seed: 1234, top_p: 1 },
  ],
  [
    'local-chat-completions',
    'chat/completions',
    {
      messages: [{ type: 'text', role: 'user', content: 'a' }],
      max_tokens: 4,
      temperature: 0,
      stop: ['</s>'],
      seed: 1234,
    },
  ],
  [
    'openai-chat-completions',
    'chat/completions',
    { max_tokens: undefined, max_completion_tokens: 4, temperature: 0, stop: ['</s>'], seed: 1234 },
  ],
])("lm-evaluation-harness' %s are served", async (_, path, body) => {
  expect((await post(path, body)).choices.length).toBeGreaterThan(0);
});

test('return_tokens_as_token_ids: log-probabilities name tokens by their ids, as vLLM has it', async () => {
  const body = { return_tokens_as_token_ids: true, return_token_ids: true, logprobs: 1 };
  const [{ logprobs, token_ids }] = (await post('completions', body)).choices as {
    logprobs: { tokens: string[] };
    token_ids: number[];
  }[];
  expect(logprobs.tokens).toEqual(token_ids.map((id) => `token_id:${id}`));
  const [chat] = (await post('chat/completions', { ...body, logprobs: true })).choices as {
    logprobs: { content: { token: string }[] };
    token_ids: number[];
  }[];
  expect(chat.logprobs.content.map(({ token }) => token)).toEqual(chat.token_ids.map((id) => `token_id:${id}`));
});

test('max_completion_tokens is the limit of a chat', async () => {
  const { usage } = JSON.parse(
    (
      await server.ask('/chat/completions', {
        ...PATHS['chat/completions'],
        max_tokens: undefined,
        max_completion_tokens: 3,
      })
    ).text,
  ) as { usage: { completion_tokens: number } };
  expect(usage.completion_tokens).toBeLessThanOrEqual(3);
  expect(usage.completion_tokens).toBeGreaterThan(0);
});

test('an adapter is loaded with what vLLM takes, and nothing that is not honoured', async () => {
  expect((await load({ load_inplace: true })).text).toContain('load_inplace');
  expect((await load({ rank: 8 })).text).toContain('Unrecognized request argument supplied: rank');
  expect((await load({ load_inplace: false, lora_int_id: null })).text).toContain('cannot be read (ENOENT)');
});
