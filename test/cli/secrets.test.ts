/** Secrets of the environment, and one that somebody wrote into a configuration, are nowhere in what a run leaves behind. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { credentials, startVersitygw, type S3Server } from '../artifacts/versitygw.ts';
import { selm, startSelm, type Ended } from '../command.ts';
import { startDevServer, type DevServer } from '../dev-server.ts';
import { jsonl } from '../jsonl.ts';
import { temporaryFolder } from '../temporary.ts';
import { makeCertificates, startTlsProxy } from '../tls-proxy.ts';
import { tinyModel, tinyPrompts } from '../tiny-model.ts';

const planted = {
  AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
  OPENAI_API_KEY: 'sk-planted-api-key',
  HF_TOKEN: 'hf_planted_hub_token',
  TEMPORAL_API_KEY: 'planted-temporal-api-key',
};
const inConfig = 'sk-planted-in-the-configuration';
const secrets = [...Object.values(planted), inConfig];

const folder = temporaryFolder();
const home = join(folder, 'home');
const config = {
  name: 'secret',
  model: './model',
  prompts: { train: './train.jsonl', heldOut: 8 },
  rounds: 1,
  sample: { samplesPerPrompt: 4, temperature: 1, maxNewTokens: 12 },
  evaluate: { maxNewTokens: 12 },
  output: './policy',
};
let bucket: S3Server;
let server: DevServer;
let env: Record<string, string>;

const write = (name: string, text: string) => writeFileSync(join(folder, name), text);
const writeConfig = (name: string, settings: object) => write(name, stringify({ ...config, ...settings }));

function expectNoSecret(what: string, text: string) {
  const found = secrets.filter(
    (secret) =>
      text.includes(secret) || text.includes(Buffer.from(secret).toString('base64').replace(/=+$/, '').slice(0, -1)),
  );
  expect(found, what).toEqual([]);
}
const expectSilent = (what: string, { stdout, stderr }: Ended) => expectNoSecret(what, stdout + stderr);

beforeAll(async () => {
  bucket = await startVersitygw(folder, ['selm']);
  server = await startDevServer();
  const certificates = makeCertificates(folder);
  const proxy = await startTlsProxy(server.address, certificates, { apiKey: planted.TEMPORAL_API_KEY });
  tinyModel(join(folder, 'model'));
  write('train.jsonl', jsonl(tinyPrompts(40)));
  writeConfig('run.yaml', {});
  env = {
    ...planted,
    // With an API key Temporal's clients insist on TLS.
    TEMPORAL_ADDRESS: proxy,
    TEMPORAL_TLS_SERVER_CA_CERT_PATH: certificates.ca,
    SELM_HOME: home,
    SELM_STORE: 's3://selm/team',
    AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${bucket.port}`,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
  };
});
afterAll(() => {
  server.stop();
  bucket.stop();
});

it('a run, its histories, its artifacts and what it prints', async () => {
  const workers = ['control', 'gpu'].map((role) => startSelm(['worker', '--role', role], env));
  const run = await selm(['run', join(folder, 'run.yaml'), '--json'], env);
  expect(run.code, run.stderr).toBe(0);
  const status = await selm(['status', 'secret'], env);
  const policies = await selm(['policies', '--json'], env);
  for (const { process } of workers) process.kill('SIGTERM');
  for (const ended of [run, status, policies, ...(await Promise.all(workers.map(({ ended }) => ended)))])
    expectSilent('output', ended);

  const client = new Client({ connection: await Connection.connect({ address: server.address }) });
  for (const id of ['selm-secret', 'selm-secret/round-1']) {
    const text = historyToJSON(await client.workflow.getHandle(id).fetchHistory());
    const payloads = [...text.matchAll(/"data":\s*"([^"]+)"/g)].map(([, data]) =>
      Buffer.from(data, 'base64').toString(),
    );
    expect(payloads.join('')).toContain('samplesPerPrompt');
    expectNoSecret(`history of ${id}`, text + payloads.join(''));
  }
  await client.connection.close();

  const files = [bucket.root, home, join(folder, 'policy')].flatMap((root) =>
    readdirSync(root, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name)),
  );
  expect(files.filter((file) => file.endsWith('manifest.json')).length).toBeGreaterThan(5);
  for (const file of files) expectNoSecret(file, readFileSync(file, 'latin1'));
});

it('errors: a store that refuses, a server that is not there', async () => {
  const refused = await selm(['policies'], { ...env, AWS_ACCESS_KEY_ID: 'somebody-else' });
  expect(refused.code).toBe(2);
  expectSilent('a refused store', refused);
  const alone = await selm(['status', 'secret'], { ...env, TEMPORAL_ADDRESS: '127.0.0.1:1' });
  expect(alone.code).not.toBe(0);
  expectSilent('no server', alone);
});

it('a key in a configuration is refused by its place, and its value not repeated', async () => {
  const judge = { by: 'judge', model: 'm', server: 'https://127.0.0.1/v1' };
  const places = {
    apiKey: { apiKey: inConfig },
    label: { label: { by: 'verifier', apiKey: inConfig } },
    keyVariable: { label: { ...judge, keyVariable: inConfig } },
    server: { label: { ...judge, server: `https://me:${inConfig}@127.0.0.1/v1` } },
  };
  for (const [name, settings] of Object.entries(places)) {
    writeConfig(`${name}.yaml`, settings);
    const refused = await selm(['start', join(folder, `${name}.yaml`)], env);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain(name);
    expectSilent(name, refused);
  }
});
