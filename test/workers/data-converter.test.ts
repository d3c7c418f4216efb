/** SELM_DATA_CONVERTER with the example codec: encrypted histories, on a real server with real workers. */
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import type { Payload } from '@temporalio/common';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { stringify } from 'yaml';
import { LocalStore } from '../../artifacts/local-store.ts';
import { webApp } from '../../web/app.ts';
import { connectClient } from '../../workers/temporal/connection.ts';
import { dataConverter } from '../../workers/temporal/data-converter.ts';
import type { RunStatus } from '../../workflows/status.ts';
import { selm, startSelm, summaryOf, type Running } from '../command.ts';
import { startDevServer, type DevServer } from '../dev-server.ts';
import { jsonl } from '../jsonl.ts';
import { temporaryFolder } from '../temporary.ts';
import { tinyModel, tinyPrompts } from '../tiny-model.ts';

const folder = temporaryFolder();
const path = (name: string) => join(folder, name);
const module = fileURLToPath(new URL('../../examples/encryption/codec.mjs', import.meta.url));
const keyOf = (bytes: Buffer) => ({ SELM_DATA_CONVERTER: module, SELM_CODEC_KEY: bytes.toString('base64') });
const key = keyOf(randomBytes(32));
let server: DevServer;
let client: Client;
let env: Record<string, string>;
let worker: Running;

const config = (name: string, model: string) => {
  const file = path(`${name}.yaml`);
  const settings = {
    sample: { samplesPerPrompt: 4, temperature: 1, maxNewTokens: 12 },
    evaluate: { maxNewTokens: 12 },
  };
  const optimize = { learningRate: 1e-3, batchSize: 8 };
  writeFileSync(
    file,
    stringify({ name, model, prompts: { train: './train.jsonl', heldOut: 4 }, rounds: 1, optimize, ...settings }),
  );
  return file;
};

beforeAll(async () => {
  server = await startDevServer();
  env = { SELM_HOME: path('home'), TEMPORAL_ADDRESS: server.address };
  client = new Client({ connection: await Connection.connect({ address: server.address, connectTimeout: '60s' }) });
  tinyModel(path('secret-model'));
  writeFileSync(path('train.jsonl'), jsonl(tinyPrompts(24)));
  worker = startSelm(['worker'], { ...env, ...key });
});
afterEach(() => void vi.unstubAllEnvs());
afterAll(async () => {
  worker.process.kill('SIGTERM');
  await worker.ended;
  await client.connection.close();
  server.stop();
});

/** What Temporal itself reads: search attributes, headers, and the names of patches. */
const PLAIN = ['searchAttributes', 'header', 'markerRecordedEventAttributes'];

/** The payloads of the run's histories, and everything in them as one text. */
async function readHistories(name: string) {
  const payloads: Payload[] = [];
  const texts: string[] = [];
  const walk = (value: unknown, inPlain: boolean) => {
    if (typeof value === 'string') texts.push(value);
    if (typeof value !== 'object' || value === null) return;
    if (ArrayBuffer.isView(value))
      return void texts.push(Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('latin1'));
    if ('metadata' in value && 'data' in value && !inPlain) payloads.push(value as Payload);
    for (const [property, inner] of Object.entries(value)) walk(inner, inPlain || PLAIN.includes(property));
  };
  const { namespace } = client.options;
  const query = `WorkflowId STARTS_WITH 'selm-${name}'`;
  const { executions } = await client.workflowService.listWorkflowExecutions({ namespace, query });
  for (const { execution } of executions!) {
    walk((await client.workflow.getHandle(execution!.workflowId!, execution!.runId!).fetchHistory()).events, false);
  }
  return { payloads, text: texts.join('\n') };
}

it('a run with a codec leaves no plaintext in its histories', async () => {
  const started = await selm(['start', config('hidden', './secret-model')], { ...env, ...key });
  expect(started.code, started.stderr).toBe(0);
  const watched = await selm(['watch', 'hidden', '--json'], { ...env, ...key });
  expect(watched.code, watched.stderr).toBe(0);
  const { policy, results } = summaryOf<RunStatus>(watched);
  expect(results).toHaveLength(1);

  const { payloads, text } = await readHistories('hidden');
  expect(payloads.length).toBeGreaterThan(50);
  const encodings = new Set(payloads.map(({ metadata }) => Buffer.from(metadata!['encoding']).toString()));
  expect([...encodings]).toEqual(['binary/encrypted']);
  for (const plain of ['secret-model', 'train.jsonl', 'learningRate', 'shard 1/', results[0].artifacts.preferences]) {
    expect(text).not.toContain(plain);
  }
  // The names of workflows and activities are the server's to know.
  expect(text).toContain('labelHeldOut');
  expect(policy).toBeDefined();
});

it('a failure leaves none either', async () => {
  await selm(['start', config('broken', './missing-model')], { ...env, ...key });
  const watched = await selm(['watch', 'broken'], { ...env, ...key });
  expect([watched.code, watched.stderr]).toEqual([2, expect.stringContaining('missing-model')]);
  const { text } = await readHistories('broken');
  expect(text).toContain('Encoded failure');
  expect(text).not.toContain('missing-model');
});

it('status, report, ui and gc read it with the codec', async () => {
  const status = await selm(['status', 'hidden'], { ...env, ...key });
  expect([status.code, status.stdout]).toEqual([0, expect.stringContaining('hidden: done')]);
  const report = await selm(['report', 'hidden', '--out', path('report.html')], { ...env, ...key });
  expect(report.code, report.stderr).toBe(0);
  expect(readFileSync(path('report.html'), 'utf8')).toContain('<td>optimize</td>');
  const collected = await selm(['gc', '--json'], { ...env, ...key });
  expect(collected.code, collected.stderr).toBe(0);
  expect(summaryOf<{ artifacts: string[] }>(collected).artifacts).toEqual([]);

  for (const [name, value] of Object.entries({ ...env, ...key })) vi.stubEnv(name, value);
  const coded = await connectClient();
  const app = webApp(coded, new LocalStore(join(path('home'), 'artifacts')));
  const [runs, run] = await Promise.all(['/', '/runs/hidden'].map(async (page) => (await app.request(page)).text()));
  expect(runs).toContain('href="/runs/hidden"');
  expect(run).toContain('secret-model');
  await coded.connection.close();
});

it.each([
  [
    'without the module',
    {},
    /^selm: .*\(binary\/encrypted\); set SELM_DATA_CONVERTER to the module that decodes them\.\n$/,
  ],
  [
    'with another key',
    keyOf(randomBytes(32)),
    /^selm: .*=.*codec\.mjs cannot decode a payload \(.*\): use the module and the key that the run was started with\.\n$/,
  ],
])('%s, commands say in one sentence what is missing', async (_, wrong, sentence) => {
  for (const command of [
    ['status', 'hidden'],
    ['report', 'hidden'],
    ['gc', '--delete', '--keep-days', '0'],
  ]) {
    const { code, stdout, stderr } = await selm(command, { ...env, ...wrong });
    expect([code, stdout, stderr]).toEqual([2, '', expect.stringMatching(sentence)]);
  }
});

it('without the module, the web pages say so', async () => {
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  const undecoded = await connectClient();
  const page = await webApp(undecoded, new LocalStore(join(path('home'), 'artifacts'))).request('/');
  expect([page.status, await page.text()]).toEqual([503, expect.stringContaining('SELM_DATA_CONVERTER')]);
  await undecoded.connection.close();
});

it.each([
  [
    'export const nothing = 1;',
    /: export payloadCodecs, payloadConverterPath or failureConverterPath, as .* \(it has none of them\)\.$/,
  ],
  ['export const payloadCodecs = [{ encode() {} }];', /\(expected objects with encode and decode\)\.$/],
  ['throw new Error("no key");', /cannot be loaded: no key$/],
])('a module that is none is refused: %s', async (text, sentence) => {
  const file = path(`${text.length}.mjs`);
  writeFileSync(file, text);
  vi.stubEnv('SELM_DATA_CONVERTER', file);
  await expect(dataConverter()).rejects.toThrow(sentence);
});
