/** `selm serve --adapters`: clients load and unload adapters, and get the token ids of responses. */
import { cpSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Policy } from '../../../engine/protocol/jobs.ts';
import { samplingSchema } from '../../../engine/protocol/settings.ts';
import { loadTokenizer } from '../../../engine/tokenizer/tokenizer.ts';
import { temporaryFolder } from '../../temporary.ts';
import { otherAdapter, tinyAdapter, tinyModel } from '../../tiny-model.ts';
import { startServe, type Serving } from './serve.ts';
import { startEngine } from '../../../engine/backends.ts';

const folder = temporaryFolder();
const model = tinyModel(join(folder, 'model'));
const adapter = join(folder, 'adapter');
cpSync(tinyAdapter, adapter, { recursive: true });
const prompt = [3, 40, 50, 2, 4];
const engine = startEngine();
let server: Serving;
beforeAll(async () => {
  server = await startServe(model, [
    '--name',
    'tiny',
    '--adapters',
    folder,
    dirname(tinyAdapter),
    dirname(otherAdapter),
  ]);
});
afterAll(async () => {
  await engine.close();
  expect(await server.stop()).toBe(0);
});

interface Completion {
  choices: { text: string; token_ids: number[]; prompt_token_ids: number[] }[];
}
async function complete(body: object): Promise<Completion> {
  const { status, text } = await server.ask('/completions', {
    model: 'tiny',
    prompt,
    max_tokens: 12,
    return_token_ids: true,
    ...body,
  });
  expect(status, text).toBe(200);
  return JSON.parse(text) as Completion;
}

async function engineTokens(policy: Policy): Promise<number[]> {
  const settings = samplingSchema.parse({ maxNewTokens: 12 });
  const { responses } = await engine.run('sample', {
    policy,
    prompts: [{ id: '', prompt_input_ids: prompt }],
    settings,
    seed: 0,
  });
  return responses[0][0].token_ids;
}

const seeded = async (seed: number) => (await complete({ seed, temperature: 1 })).choices[0].token_ids;

describe('completions', () => {
  test('come with the token ids of prompt and answer', async () => {
    const { choices } = await complete({ temperature: 0, n: 2 });
    const tokens = await engineTokens({ model });
    for (const { token_ids, prompt_token_ids } of choices)
      expect([token_ids, prompt_token_ids]).toEqual([tokens, prompt]);
    const echoed = await complete({ temperature: 0, echo: true });
    expect(echoed.choices[0].token_ids).toEqual(tokens);
  });

  test('of one seed are alike, whoever asks beside it, and of another are not', async () => {
    const [first, second, again] = await Promise.all([seeded(1), seeded(2), seeded(1)]);
    expect(again).toEqual(first);
    expect(second).not.toEqual(first);
    expect(await seeded(2)).toEqual(second);
  });

  test('of the likeliest token alone are greedy, at any temperature', async () => {
    const { choices } = await complete({ top_k: 1, temperature: 2, n: 3 });
    const tokens = await engineTokens({ model });
    for (const { token_ids } of choices) expect(token_ids).toEqual(tokens);
  });
});

const load = (lora_name: string, lora_path: string) => server.ask('/load_lora_adapter', { lora_name, lora_path });
const unload = (lora_name: string) => server.ask('/unload_lora_adapter', { lora_name });

/** A copy of the adapter with other files. */
const withFiles = (name: string, files: Record<string, object | string>) => {
  const target = join(folder, name);
  cpSync(tinyAdapter, target, { recursive: true });
  for (const [file, content] of Object.entries(files))
    writeFileSync(join(target, file), typeof content === 'string' ? content : JSON.stringify(content));
  return target;
};

describe('an adapter', () => {
  test('answers by its name once it is loaded, as it was then, until it is unloaded', async () => {
    expect(await load('tuned', adapter)).toEqual({
      status: 200,
      text: "Success: LoRA adapter 'tuned' added successfully.",
    });
    const tuned = await engineTokens({ model, adapter });
    expect(tuned).not.toEqual(await engineTokens({ model }));
    expect((await server.models()).map(({ id, root, parent }) => [id, root, parent])).toEqual([
      ['tiny', undefined, undefined],
      ['tuned', adapter, 'tiny'],
    ]);
    rmSync(adapter, { recursive: true });
    expect((await complete({ model: 'tuned', temperature: 0 })).choices[0].token_ids).toEqual(tuned);
    expect((await load('tuned', tinyAdapter)).status).toBe(400);

    const last = complete({ model: 'tuned', temperature: 0, max_tokens: 40 });
    // The request arrives before the next one.
    await sleep(50);
    expect((await unload('tuned')).status).toBe(200);
    expect((await last).choices[0].token_ids.slice(0, 12)).toEqual(tuned);
    const gone = await server.ask('/completions', { model: 'tuned', prompt });
    expect([gone.status, gone.text]).toEqual([
      404,
      expect.stringContaining('The model \\"tuned\\" does not exist; this endpoint serves \\"tiny\\".'),
    ]);
    expect((await unload('tuned')).status).toBe(404);
  });

  test('that does not fit, or is not there, is refused, and so is unloading the model itself', async () => {
    expect(await load('other', otherAdapter)).toEqual({
      status: 400,
      text: expect.stringContaining('adapter') as string,
    });
    expect(await load('nowhere', join(folder, 'nowhere'))).toEqual({
      status: 400,
      text: expect.stringContaining('cannot be read (ENOENT)') as string,
    });
    expect((await unload('tiny')).status).toBe(400);
    expect((await server.models()).map(({ id }) => id)).toEqual(['tiny']);
  });

  test('answers conversations by its own chat template', async () => {
    const template = "{{ messages[-1]['content'] + messages[-1]['content'] }}";
    const own = withFiles('with-template', { 'chat_template.jinja': template });
    expect((await load('templated', own)).status).toBe(200);
    const messages = [{ role: 'user', content: 'ab' }];
    const tokensOf = async (model: string) => {
      const { text } = await server.ask('/chat/completions', { model, messages, max_tokens: 1 });
      return (JSON.parse(text) as { usage: { prompt_tokens: number } }).usage.prompt_tokens;
    };
    const written = loadTokenizer(model, { template }).encodePrompt(messages);
    expect(await tokensOf('templated')).toBe(written.length);
    expect(await tokensOf('tiny')).toBe(loadTokenizer(model).encodePrompt(messages).length);
    expect(written.length).not.toBe(loadTokenizer(model).encodePrompt(messages).length);
    expect((await unload('templated')).status).toBe(200);
  });

  test('whose tokenizer has other tokens than its model is refused; a token for padding is none', async () => {
    const token = { special: true, single_word: false, lstrip: false, rstrip: false, normalized: false };
    const added_tokens = [{ ...token, id: 1000, content: '<|turn|>' }];
    const other = withFiles('other-tokens', { 'tokenizer.json': { added_tokens } });
    const { status, text } = await load('other-tokens', other);
    expect([status, text]).toEqual([400, expect.stringContaining('has tokens which the model')]);
    expect(text).toContain('<|turn|>');
    expect(text).toContain(other);
    const padded = withFiles('padded', {
      'tokenizer.json': { added_tokens },
      'tokenizer_config.json': { pad_token: '<|turn|>' },
    });
    expect((await load('padded', padded)).status).toBe(200);
    expect((await unload('padded')).status).toBe(200);
  });

  test('is taken only where the endpoint was started so', async () => {
    const closed = await startServe(model);
    const refused = await closed.ask('/load_lora_adapter', { lora_name: 'tuned', lora_path: tinyAdapter });
    await closed.stop();
    expect([refused.status, refused.text]).toEqual([
      404,
      expect.stringContaining('start it with `selm serve --adapters FOLDER`'),
    ]);
  });
});
