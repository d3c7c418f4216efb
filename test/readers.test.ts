/**
 * Every reader fails in the middle of reading: the caller gets the error, and no rejection is left unhandled, which would end the
 * process. Readers of rows have more in test/data/faults.test.ts.
 */
import { cpSync, mkdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { LocalStore } from '../artifacts/local-store.ts';
import { stepKey, type Recipe } from '../artifacts/manifest.ts';
import { resolveModel } from '../data/hub/models.ts';
import { readPreferences } from '../data/readers.ts';
import { readPrompts } from '../data/prompts.ts';
import { readAdapter } from '../engine/model-files/lora.ts';
import { layersOf } from '../engine/model-files/linear-layers.ts';
import { loadTokenizer } from '../engine/tokenizer/tokenizer.ts';
import { PairRm } from '../engine/onnx/rankers/pairrm.ts';
import { openRewardModel } from '../engine/onnx/rankers/reward.ts';
import { createLabeler } from '../labelers/index.ts';
import { OpenAiClient } from '../openai/client/client.ts';
import { loadConfig } from '../config/load.ts';
import { withFileErrors } from './artifacts/file-errors.ts';
import { noTools } from './labelers/tools.ts';
import { temporaryFolder } from './temporary.ts';
import { tinyAdapter, tinyModel, tinyPrompts } from './tiny-model.ts';
import { openModelFolder } from '../engine/model-files/model.ts';

const folder = temporaryFolder();
const path = (name: string) => join(folder, name);

const stray: unknown[] = [];
const note = (error: unknown) => stray.push(error);
beforeAll(() => void process.on('unhandledRejection', note).on('uncaughtException', note));
afterAll(() => void process.off('unhandledRejection', note).off('uncaughtException', note));

/** @returns what it fails with, once everything that it has begun has ended */
async function failureOf(read: () => unknown): Promise<string> {
  let failure: unknown;
  try {
    await read();
  } catch (error) {
    failure = error;
  }
  for (let turns = 0; turns < 10; turns++) await setImmediate();
  expect(stray).toEqual([]);
  expect(failure).toBeInstanceOf(Error);
  expect((failure as Error).message).not.toContain('\n');
  return (failure as Error).message;
}

/** What is wrong with a file. */
const faults: Record<string, (file: string) => void> = {
  'cut in half': (file) => truncateSync(file, Math.floor(statSync(file).size / 2)),
  'overwritten with zeros': (file) => writeFileSync(file, Buffer.alloc(statSync(file).size)),
  'a folder': (file) => {
    rmSync(file);
    mkdirSync(file);
  },
  gone: (file) => rmSync(file),
};

const fixture = (name: string) => join('test/fixtures', name);
const model = tinyModel(path('model'));
const layers = layersOf(openModelFolder(model));
mkdirSync(path('rows'));
writeFileSync(
  path('rows/prompts.jsonl'),
  tinyPrompts(2000)
    .map((row) => `${JSON.stringify(row)}\n`)
    .join(''),
);
writeFileSync(
  path('rows/preferences.jsonl'),
  `${JSON.stringify({ prompt: 'a', chosen: 'b', rejected: 'c' })}\n`.repeat(2001),
);
cpSync(fixture('parquet/types-v2.parquet'), path('rows/prompts.parquet'));
cpSync('test/smollm2/chat_template.jinja', path('model/chat_template.jinja'));
writeFileSync(
  path('rows/run.yaml'),
  'name: run\nmodel: org/model\nprompts:\n  train: org/data\n  heldOut: 10\nlabel: { by: regex, pattern: "a" }\n',
);

type Reader = [name: string, from: string, file: string, read: (copy: string) => unknown];
const readers: Reader[] = [
  ['prompts', path('rows'), 'prompts.jsonl', (copy) => readPrompts(join(copy, 'prompts.jsonl'))],
  ['preferences', path('rows'), 'preferences.jsonl', (copy) => readPreferences(join(copy, 'preferences.jsonl'))],
  ['Parquet', path('rows'), 'prompts.parquet', (copy) => readPrompts(join(copy, 'prompts.parquet'))],
  ['run configurations', path('rows'), 'run.yaml', (copy) => loadConfig(join(copy, 'run.yaml'))],
  ['model configurations', model, 'config.json', (copy) => openModelFolder(copy)],
  ['weights', model, 'model.safetensors', (copy) => openModelFolder(copy)],
  ['sharded weights', fixture('models/sharded'), 'model-00002-of-00002.safetensors', (copy) => openModelFolder(copy)],
  ['tokenizers', model, 'tokenizer.json', (copy) => loadTokenizer(copy)],
  ['adapter configurations', tinyAdapter, 'adapter_config.json', (copy) => readAdapter(copy, layers)],
  ['adapters', tinyAdapter, 'adapter_model.safetensors', (copy) => readAdapter(copy, layers)],
  ['ONNX files', fixture('rankers/onnx-reward'), 'model.onnx', (copy) => openRewardModel(copy, 1)],
  ['reward models', fixture('rankers/llama'), 'model.safetensors', (copy) => openRewardModel(copy, 1)],
  ['PairRM', fixture('rankers/pairrm-hf'), 'model.safetensors', (copy) => PairRm.open(copy, 1)],
];
let copies = 0;

test.each(readers.flatMap((reader) => Object.keys(faults).map((fault) => [reader[0], fault, reader] as const)))(
  '%s: a file that is %s',
  async (_name, fault, [, from, file, read]) => {
    const copy = path(`copy-${copies++}`);
    cpSync(from, copy, { recursive: true });
    faults[fault](join(copy, file));
    expect(await failureOf(() => read(copy))).toContain(copy);
  },
);

test.each(['EIO', 'EMFILE'])('the artifact store, at %s', async (code) => {
  const root = path(`store-${code}`);
  const recipe: Recipe = { step: 'sample', parameters: {}, inputs: {}, seed: 0, engineVersion: '1' };
  const store = new LocalStore(root);
  const address = await store.create('answers', recipe, async (target) => {
    for (let i = 0; i < 40; i++) writeFileSync(join(target, `${i}.jsonl`), '{}\n');
  });
  await store.publishName('name', address);
  const reads: [RegExp, () => unknown][] = [
    [/manifest\.json$/, () => new LocalStore(root).open(address)],
    [/\/3\d\.jsonl$/, () => new LocalStore(root).open(address)],
    [/7\.jsonl$/, () => new LocalStore(root).readText(address, '7.jsonl')],
    [/manifest\.json$/, () => new LocalStore(root).list()],
    [/steps/, () => new LocalStore(root).find(stepKey(recipe))],
    [/names/, () => new LocalStore(root).listNames()],
  ];
  for (const [pattern, read] of reads) {
    expect(await withFileErrors(code, pattern, () => failureOf(read))).toContain(code);
  }
  expect(await store.find(stepKey(recipe))).toBe(address);
});

const breakOff = (response: ServerResponse) => {
  response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': '1000', ETag: '"x"' });
  response.write('{"choices": [', () => response.destroy());
};

/** A server that breaks its connection in the middle of what `answer` has no whole answer to. */
async function breakingServer(
  answer: (url: string) => string | undefined,
): Promise<{ url: string; close: () => void }> {
  const server = createServer((request, response) => {
    request.resume();
    request.on('end', () => {
      const whole = answer(request.url!);
      if (whole === undefined) return breakOff(response);
      response.writeHead(200, { 'Content-Type': 'application/json' }).end(whole);
    });
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => server.close() };
}

const COMMIT = 'a'.repeat(40);
const listing = JSON.stringify(
  ['config.json', 'model.safetensors'].map((name) => ({ type: 'file', path: name, oid: name, size: 1000 })),
);
const revision = JSON.stringify({ sha: COMMIT });
const hubAnswers: Record<string, string>[] = [
  {},
  { revision },
  { revision, tree: listing },
  { revision, tree: listing, 'paths-info': listing },
];

test.each(hubAnswers.map((answers) => [Object.keys(answers), answers] as const))(
  'the hub, which is gone after %j',
  async (_, answers) => {
    const { url, close } = await breakingServer(
      (asked) => Object.entries(answers).find(([call]) => asked.includes(`/${call}/`))?.[1],
    );
    Object.assign(process.env, { HF_ENDPOINT: url, HF_HUB_CACHE: path(`hub-${Object.keys(answers).length}`) });
    expect(await failureOf(() => resolveModel('org/model'))).toContain('org/model');
    close();
  },
);

test('a server that is gone in the middle of its answer', async () => {
  const { url, close } = await breakingServer(() => undefined);
  const client = new OpenAiClient({ url, model: 'm', retries: 0 });
  const ask = () => client.chat([{ role: 'user', content: 'Hi' }], { temperature: 0, maxTokens: 9 });
  expect(await failureOf(() => Promise.all([ask(), ask(), ask()]))).toContain(url);
  close();
});

test.each([
  ['throws', 'throw new Error("no\\nmore");'],
  ['rejects', 'return Promise.reject(new Error("no"));'],
  ['rejects later', 'await new Promise(setImmediate); throw new Error("no");'],
  ['throws what is no error', 'throw undefined;'],
])('a module of labels that %s at its second prompt', async (name, code) => {
  const file = path(`${name}.mjs`);
  writeFileSync(
    file,
    `let calls = 0;\nexport default async (prompt, answers) => {\nif (calls++ === 0) return answers.map(() => 1);\n${code}\n};\n`,
  );
  const labeler = await createLabeler({ by: 'module', path: file }, noTools);
  const prompts = ['a', 'b', 'c'].map((id) => ({ prompt: { id, prompt: 'x' }, answers: ['y'] }));
  expect(await failureOf(() => labeler.judge(prompts, {}))).toContain(`${file}, called for prompt "b"`);
});
