/**
 * A worker behind a proxy, in an organization with its own certificate authority: the command and the variables of the template as a
 * process of the images' Node. Temporal and the hub have host names that only the proxy knows, and certificates of that authority.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { loadDeployConfig } from '../../config/load-deployment.ts';
import { proxyOf } from '../../workers/temporal/proxy.ts';
import { runWorkflowId } from '../../workflows/ids.ts';
import { startConnectProxy } from '../connect-proxy.ts';
import { startDevServer, type DevServer } from '../dev-server.ts';
import { freePort } from '../free-port.ts';
import { startHub } from '../hub-server.ts';
import { findNode24 } from '../node-24.ts';
import { temporaryFolder } from '../temporary.ts';
import { tinyLimits, tinyModel, tinyPrompts } from '../tiny-model.ts';
import { makeCertificates, startTlsProxy } from '../tls-proxy.ts';
import { startEcs, type EcsServer } from './ecs-server.ts';
import { resourcesOf, synthesize } from './variants.ts';

const HOST = 'temporal.test';
const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = temporaryFolder();
const app = join(folder, 'app');
let temporal: DevServer;
let proxy: { url: string; targets: string[] };
let temporalPort: string;
let hubPort: number;
let healthPort = 0;
let container: { EntryPoint: string[]; Command: string[]; Environment: { Name: string; Value: string }[] };
const running: ChildProcess[] = [];

/** The model's files on a hub that speaks TLS. */
async function startTlsHub(tls: { key: Buffer; cert: Buffer }): Promise<{ port: number; downloads: string[] }> {
  const model = tinyModel(join(folder, 'model'));
  const names = [
    'config.json',
    'generation_config.json',
    'tokenizer.json',
    'tokenizer_config.json',
    'model.safetensors',
  ];
  const files = Object.fromEntries(
    names.filter((name) => existsSync(join(model, name))).map((name) => [name, readFileSync(join(model, name))]),
  );
  const { url, downloads } = await startHub({ 'models/org/tiny': { revision: 'main', files } }, join(folder, 'hub'));
  const server = createServer(tls, (client) => {
    const upstream = connect(Number(new URL(url).port), '127.0.0.1');
    client.on('error', () => upstream.destroy());
    upstream.on('error', () => client.destroy());
    client.pipe(upstream).pipe(client);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  afterAll(() => server.close());
  return { port: (server.address() as AddressInfo).port, downloads };
}

const node24 = await findNode24();

/** Starts the container's entry point with `command`. Files below /tmp are in the test's folder. */
function start(command: string[], overrides: Record<string, string> = {}) {
  const moved = (text: string) => text.replaceAll('/tmp/', `${folder}/`);
  const variables = Object.fromEntries(container.Environment.map(({ Name, Value }) => [Name, moved(String(Value))]));
  const [program, ...first] = container.EntryPoint.map(moved);
  const process_ = spawn(program, [...first, ...command], {
    cwd: app,
    env: {
      ...variables,
      PATH: `${node24}:${process.env['PATH']}`,
      SELM_HOME: join(folder, 'home'),
      HF_HOME: join(folder, 'hub-home'),
      SELM_STORE: join(folder, 'store'),
      SELM_HEALTH_PORT: String(healthPort),
      TEMPORAL_ADDRESS: `${HOST}:${temporalPort}`,
      TEMPORAL_TLS: 'true',
      HF_ENDPOINT: `https://${HOST}:${hubPort}`,
      AWS_ENDPOINT_URL_ECS: ecs.url,
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'key',
      AWS_SECRET_ACCESS_KEY: 'secret',
      ...overrides,
    },
  });
  running.push(process_);
  let words = '';
  for (const stream of [process_.stdout, process_.stderr]) stream.on('data', (data) => (words += data));
  return { ended: once(process_, 'close').then(([code]) => code as number | null), words: () => words };
}

let downloads: string[];
let ecs: EcsServer;
beforeAll(async () => {
  const { ca, server } = makeCertificates(folder);
  temporal = await startDevServer();
  await (await Connection.connect({ address: temporal.address, connectTimeout: '60s' })).close();
  proxy = await startConnectProxy();
  const tls = { key: readFileSync(server.key), cert: readFileSync(server.cert) };
  ({ port: hubPort, downloads } = await startTlsHub(tls));
  const secured = await startTlsProxy(temporal.address, { ca, server, client: server }, {});
  temporalPort = secured.split(':')[1];

  const file = join(folder, 'deploy.yaml');
  writeFileSync(file, stringify({ version: 'v1', caBundle: './ca.pem', proxy: { https: proxy.url } }));
  container = resourcesOf(synthesize(loadDeployConfig(file)), 'AWS::ECS::TaskDefinition')
    .flatMap(({ Properties }) => Properties['ContainerDefinitions'])
    .find(({ Command }) => Command?.join(' ').includes('--role control'));
  ecs = await startEcs(container);
  mkdirSync(app);
  symlinkSync(process.env['SELM_TEST_PACKAGE']!, join(app, 'dist'));
  symlinkSync(join(root, 'node_modules'), join(app, 'node_modules'));
  writeFileSync(
    join(folder, 'train.jsonl'),
    tinyPrompts(12)
      .map((row) => `${JSON.stringify(row)}\n`)
      .join(''),
  );
  writeFileSync(
    join(folder, 'run.yaml'),
    stringify({
      name: 'behind',
      model: 'org/tiny',
      prompts: { train: './train.jsonl', heldOut: 4 },
      rounds: 1,
      ...tinyLimits,
    }),
  );
});
afterAll(async () => {
  for (const task of running.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)) {
    const exited = once(task, 'exit');
    task.kill('SIGKILL');
    await exited;
  }
  temporal?.stop();
  ecs?.close();
});

it('commands and workers reach Temporal and the hub through the proxy, and trust the authority', async () => {
  const operator = start(['start', join(folder, 'run.yaml')]);
  expect(await operator.ended, operator.words()).toBe(0);
  expect(new Set(proxy.targets)).toEqual(new Set([`${HOST}:${temporalPort}`]));

  proxy.targets.length = 0;
  healthPort = await freePort();
  const worker = start(container.Command);
  const client = new Client({ connection: await Connection.connect({ address: temporal.address }) });
  // The worker has prepared the run when it waits for a GPU worker.
  const prepared = expect
    .poll(async () => {
      const { raw } = await client.workflow.getHandle(runWorkflowId('behind')).describe();
      return (raw.pendingActivities ?? []).map(({ activityType }) => activityType?.name);
    })
    .toEqual(['sample']);
  const ended = worker.ended.then(() => Promise.reject(new Error(worker.words())));
  await Promise.race([prepared, ended]);
  await client.connection.close();
  expect(new Set(proxy.targets)).toEqual(new Set([`${HOST}:${temporalPort}`, `${HOST}:${hubPort}`]));
  expect(downloads).toContain('config.json');
});

it('without the certificates, or without the proxy, neither is reached', async () => {
  const trusting = { NODE_EXTRA_CA_CERTS: '', SSL_CERT_FILE: '/etc/ssl/certs/ca-certificates.crt' };
  const untrusted = start(['status', 'behind'], trusting);
  expect(await untrusted.ended).not.toBe(0);
  expect(untrusted.words()).toMatch(/cannot be reached/);
  proxy.targets.length = 0;
  const direct = start(['status', 'behind'], { https_proxy: '', HTTPS_PROXY: '' });
  expect(await direct.ended).not.toBe(0);
  expect(direct.words()).toMatch(/cannot be reached/);
  expect(proxy.targets).toEqual([]);
});

it.each([
  ['proxy.test:3128', 'temporal.test:7233', '', undefined],
  ['http://proxy.test:3128', 'temporal.test:7233', '', 'proxy.test:3128'],
  ['http://proxy.test', 'temporal.test:7233', 'other.test', 'proxy.test:80'],
  ['http://proxy.test', 'a.internal.test:7233', 'localhost, .internal.test', undefined],
  ['http://proxy.test', '10.20.1.2:7233', '10.20.0.0/16', undefined],
  ['http://proxy.test', '10.21.1.2:7233', '10.20.0.0/16', 'proxy.test:80'],
])('proxy %s to %s with no_proxy "%s": %s', (https_proxy, address, no_proxy, target) => {
  expect(proxyOf(address, { https_proxy, no_proxy })?.targetHost).toBe(target);
});

it('a user name of the proxy is passed on', () => {
  expect(proxyOf('temporal.test:7233', { https_proxy: 'http://me:p%20w@proxy.test' })).toMatchObject({
    basicAuth: { username: 'me', password: 'p w' },
  });
});

const CERTIFICATE = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n';
it.each([
  ['./nowhere.pem', undefined, `caBundle: ${join(folder, 'nowhere.pem')} does not exist; give a PEM file.`],
  ['./bad.pem', 'text', `caBundle (${join(folder, 'bad.pem')}) contains no certificate; give certificates in PEM.`],
  [
    './bad.pem',
    CERTIFICATE,
    `caBundle (${join(folder, 'bad.pem')}): certificate 1 cannot be read; give certificates in PEM.`,
  ],
  [CERTIFICATE, undefined, 'caBundle: certificate 1 cannot be read; give certificates in PEM.'],
  ['./ca.key', undefined, `caBundle (${join(folder, 'ca.key')}) contains a private key; give certificates only.`],
])('caBundle %j is refused in one sentence', (caBundle, content, problem) => {
  if (content !== undefined) writeFileSync(join(folder, caBundle), content);
  const file = join(folder, 'bad.yaml');
  writeFileSync(file, stringify({ caBundle }));
  expect(() => loadDeployConfig(file)).toThrow(`${file}: ${problem}`);
});
