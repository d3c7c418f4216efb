/** The judge with a real model: llama.cpp's server over a bad network, `selm serve`, and the engine. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { label, readLabels } from '../../activities/label.ts';
import { recompute } from '../../activities/recompute.ts';
import type { Address } from '../../artifacts/manifest.ts';
import { LocalStore } from '../../artifacts/local-store.ts';
import { writeJsonl } from '../../data/jsonl.ts';
import type { LabelRecord } from '../../data/records.ts';
import { onnxRuntime as backend, selmVersion } from '../../engine/version.ts';
import { labelSchema, type LabelSettings } from '../../labelers/index.ts';
import { testContext } from '../activities/context.ts';
import { startFaultProxy, type Fault, type FaultProxy } from '../artifacts/fault-proxy.ts';
import { addressOf, selm, startSelm, summaryOf } from '../command.ts';
import { startLlamaServer, type LlamaServer } from '../openai/client/llama-server.ts';
import { smollm2 } from '../smollm2/model.ts';

const KEY = 'sk-planted-for-the-judge';
/** The maximum timeout, longer than a test. Stalled responses are tested in openai/client/client.test.ts. */
const UNREACHED_SECONDS = 300;
const { folder, engine } = testContext();
const path = (name: string) => join(folder, name);
let llama: LlamaServer;
let proxy: FaultProxy;
let seen = 0;

beforeAll(async () => {
  process.env.OPENAI_API_KEY = KEY;
  llama = await startLlamaServer(KEY);
  proxy = await startFaultProxy(llama.port);
  await writeJsonl(path('responses.jsonl'), ROWS);
});
afterAll(async () => {
  delete process.env.OPENAI_API_KEY;
  proxy.stop();
  await llama.stop();
});

const response = (text: string) => ({ text, token_ids: [1], finish_reason: 'stop', logp: -1 });
const [A, B, C] = ['A', 'B', 'C'].map((verdict) => `My verdict: [[[[${verdict}]]]]`);
const ROWS = [
  ['Hello.', A, B, 'Nothing.'],
  ['Hello.', C, A],
].map(([prompt, ...answers], i) => ({ id: `p${i}`, prompt, responses: answers.map(response) }));

/** The model is too small to judge, but it copies the first candidate, which contains a verdict. */
const TEMPLATES = {
  pairwise: `
prompt_template: |
  {question}

  {answer_b}

  Copy the following text exactly:

  {answer_a}
  {answer_a}
  {answer_a}
`,
  single: `
prompt_template: |
  {question}

  Copy the following text exactly:

  {answer}
`,
};
for (const [mode, text] of Object.entries(TEMPLATES)) writeFileSync(path(`${mode}.yaml`), text);

const settingsOf = (mode: 'pairwise' | 'single', more: object): LabelSettings =>
  labelSchema.parse({ by: 'judge', model: 'smollm2', mode, template: path(`${mode}.yaml`), maxTokens: 14, ...more });

/** A step context whose store contains the responses. */
async function place(name: string, rows = ROWS) {
  const store = new LocalStore(path(name));
  const recipe = { step: 'sample', parameters: {}, inputs: {}, seed: 0, selm: selmVersion, backend };
  const responses = await store.create('responses', recipe, (at) => writeJsonl(join(at, 'responses.jsonl'), rows));
  return { context: { store, engine, cacheFolder: path(`${name}-cache`) }, responses };
}

async function labeled(name: string, settings: LabelSettings, rows = ROWS) {
  const { context, responses } = await place(name, rows);
  const { address, summary } = await label(context, { responses, label: settings, threads: 2 }, {});
  return { context, address, summary, labels: await readLabels(context.store, address) };
}

const scoresOf = (labels: LabelRecord[]) => labels.map(({ candidates }) => candidates.map(({ score }) => score));

/** Injects faults into requests, by request number from 0. */
function inject(faults: Record<number, Fault>) {
  seen = 0;
  proxy.fault = () => faults[seen++];
}

/** Checks that no file in the folder contains the API key. */
function expectNoKey(root: string) {
  const files = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  expect(files.length).toBeGreaterThan(0);
  for (const { parentPath, name } of files)
    expect(readFileSync(join(parentPath, name), 'latin1'), name).not.toContain('planted');
}

test('faults of the network leave no trace in the labels, and a second time nobody is asked', async () => {
  const settings = settingsOf('pairwise', {
    server: `http://127.0.0.1:${proxy.port}/v1`,
    concurrency: 3,
    timeoutSeconds: UNREACHED_SECONDS,
  });
  inject({});
  const undisturbed = await labeled('undisturbed', settings);
  const { judgements, refused, unparsed, promptTokens, completionTokens } = undisturbed.summary.counts;
  expect({ judgements, refused, unparsed, seen }).toEqual({ judgements: 8, refused: 0, unparsed: 2, seen: 8 });
  expect(promptTokens).toBeGreaterThan(8 * 50);
  expect(completionTokens).toBeLessThanOrEqual(8 * 14);
  // First row: A is preferred in both orders. Second row: each candidate is preferred once, then there is a tie.
  expect(scoresOf(undisturbed.labels)).toEqual([
    [1, 0, undefined],
    [0.5, 0.5],
  ]);

  const faults: Record<number, Fault> = {
    0: { kind: 'cut-answer', after: 30 },
    1: { kind: 'limited', retryAfter: 1 },
    3: { kind: 'garble' },
    5: { kind: 'cut-request', after: 10 },
    6: { kind: 'busy' },
  };
  inject(faults);
  const disturbed = await labeled('disturbed', settings);
  expect(seen).toBe(judgements + Object.keys(faults).length);
  expect(disturbed.labels).toEqual(undisturbed.labels);
  expect(disturbed.address).toBe(undisturbed.address);
  for (const name of ['undisturbed', 'disturbed', 'disturbed-cache']) expectNoKey(path(name));

  const asked = seen;
  delete process.env.OPENAI_API_KEY;
  const manifest = await disturbed.context.store.manifest(disturbed.address);
  expect(await recompute(disturbed.context, manifest, path('again'))).toBe(disturbed.address);
  expect(seen).toBe(asked);
  process.env.OPENAI_API_KEY = KEY;
});

test('what is too long for the server is not judged, also if it is alone in its shard', async () => {
  const settings = settingsOf('single', { server: `http://127.0.0.1:${proxy.port}/v1` });
  inject({});
  const endless = { ...ROWS[0], id: 'long', prompt: 'word '.repeat(3000) };
  const { labels, summary } = await labeled('refusing', settings, [ROWS[0], endless]);
  expect(summary.counts).toMatchObject({ judgements: 6, refused: 3 });
  expect(scoresOf(labels)[1]).toEqual([undefined, undefined, undefined]);
  const alone = await labeled('refused', settings, [endless]);
  expect(alone.summary.counts).toMatchObject({ judgements: 3, refused: 3 });
  expect(scoresOf(alone.labels)).toEqual([[undefined, undefined, undefined]]);
});

test('selm label, with the key from the environment alone', async () => {
  const flags = ['label', '--in', path('responses.jsonl'), '--out', path('preferences.jsonl'), '--by', 'judge'];
  const judge = [
    '--server',
    `http://127.0.0.1:${llama.port}/v1`,
    '--judge-model',
    'smollm2',
    '--judge-template',
    path('pairwise.yaml'),
    '--pairs',
    'first',
    '--judge-max-tokens',
    '14',
  ];
  const env = { OPENAI_API_KEY: KEY, SELM_CACHE: path('command-cache') };
  const ended = await selm([...flags, ...judge, '--json'], env);
  expect(ended.code, ended.stderr).toBe(0);
  expect(ended.stdout + ended.stderr).not.toContain('planted');
  const { counts } = summaryOf<{ counts: Record<string, number> }>(ended);
  expect(counts).toMatchObject({ judgements: 6, refused: 0 });
  const preferences = readFileSync(path('preferences.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as object);
  expect(preferences).toMatchObject([{ id: 'p0', chosen: A, rejected: B }]);
  expectNoKey(path('command-cache'));

  for (const [more, key, sentence] of [
    [
      [],
      'sk-planted-and-wrong',
      /does not accept the key \(401 .*\); set the environment variable OPENAI_API_KEY to a valid one\.\n$/,
    ],
    [
      ['--key-variable', 'SELM_NO_KEY'],
      KEY,
      /The environment variable SELM_NO_KEY is not set; it must hold the server's key\.\n$/,
    ],
    [
      ['--key-variable', KEY],
      KEY,
      /"keyVariable" is not valid: expected the name of an environment variable, never a key; .*\n$/,
    ],
    [['--server', `http://me:${KEY}@127.0.0.1/v1`], KEY, /"server" is not valid: expected an address such as .*\n$/],
  ] as const) {
    const refused = await selm([...flags, ...judge, ...more], { SELM_CACHE: path('no-cache'), OPENAI_API_KEY: key });
    expect(refused.stderr).toMatch(sentence);
    expect(refused.stderr.trim().split('\n')).toHaveLength(1);
    expect(refused.stdout + refused.stderr).not.toContain('planted');
    expect(refused.code).toBe(2);
  }
});

test('a model on the engine judges as it does behind selm serve', async () => {
  const model = await smollm2();
  const server = startSelm(['serve', '--model', model, '--name', 'smollm2', '--port', '0'], {});
  try {
    const url = await addressOf(server);
    const served = await labeled('served', settingsOf('pairwise', { server: url }));
    const own = await labeled('own', settingsOf('pairwise', { model }));
    expect(own.labels).toEqual(served.labels);
    expect(own.summary).toEqual(served.summary);
    expect(own.summary.counts).toMatchObject({ judgements: 8, refused: 0 });
    expect(own.summary.counts.unparsed).toBeLessThan(8);
    const recipe = async (name: string, address: Address) =>
      (await new LocalStore(path(name)).manifest(address)).recipe;
    expect((await recipe('own', own.address)).parameters).toMatchObject({
      threads: 2,
      identity: { model: expect.any(String) as string },
    });
  } finally {
    server.process.kill('SIGTERM');
    await server.ended;
  }
});
