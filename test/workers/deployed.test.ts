/**
 * Workers with the environment of a deployment: a real server behind TLS, a run with the real engine, and what the workers tell of
 * it: to a Prometheus scrape, an OTLP receiver, CloudWatch's format on stdout, JSON logs, and the ECS agent's address.
 */
import { statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { makeCurrent } from '../../workers/current-version.ts';
import type { RunStatus } from '../../workflows/status.ts';
import { selm, startSelm, summaryOf, type Ended, type Running } from '../command.ts';
import { startDevServer, type DevServer } from '../dev-server.ts';
import { freePort } from '../free-port.ts';
import { startRecording, type Recorded } from '../recording-server.ts';
import { jsonl } from '../jsonl.ts';
import { temporaryFolder } from '../temporary.ts';
import { tinyModel, tinyPrompts } from '../tiny-model.ts';
import { makeCertificates, startTlsProxy, type Certificates } from '../tls-proxy.ts';

const API_KEY = 'key-that-nobody-may-read';

const folder = temporaryFolder();
let server: DevServer;
let certificates: Certificates;
let withKey: Record<string, string>;
let withCertificate: Record<string, string>;
let traces: Recorded[];
let agent: Recorded[];
let controlAgent: Recorded[];
let port: number;
let config: object;
let [control, gpu]: Running[] = [];

beforeAll(async () => {
  server = await startDevServer();
  await (await Connection.connect({ address: server.address })).close();
  certificates = makeCertificates(folder);
  tinyModel(join(folder, 'model'));
  writeFileSync(join(folder, 'train.jsonl'), jsonl(tinyPrompts(40)));
  writeFileSync(join(folder, 'held-out.jsonl'), jsonl(tinyPrompts(8, 1000)));
  config = {
    name: 'deployed',
    model: join(folder, 'model'),
    prompts: { train: join(folder, 'train.jsonl'), heldOut: join(folder, 'held-out.jsonl') },
    rounds: 1,
    sample: { samplesPerPrompt: 4, temperature: 1, maxNewTokens: 12 },
    optimize: { learningRate: 1e-3, batchSize: 8 },
    evaluate: { maxNewTokens: 12 },
  };
  writeFileSync(join(folder, 'run.yaml'), stringify(config));

  const [otlp, ecs, controlEcs] = [await startRecording(), await startRecording(), await startRecording()];
  [traces, agent, controlAgent] = [otlp.requests, ecs.requests, controlEcs.requests];
  port = await freePort();
  const home = {
    SELM_HOME: join(folder, 'home'),
    TEMPORAL_TLS_SERVER_CA_CERT_PATH: certificates.ca,
    TEMPORAL_TLS_SERVER_NAME: 'temporal.test',
  };
  withKey = {
    ...home,
    TEMPORAL_ADDRESS: await startTlsProxy(server.address, certificates, { apiKey: API_KEY }),
    TEMPORAL_API_KEY: API_KEY,
  };
  withCertificate = {
    ...home,
    TEMPORAL_ADDRESS: await startTlsProxy(server.address, certificates, { clientCertificate: true }),
    TEMPORAL_TLS_CLIENT_CERT_PATH: certificates.client.cert,
    TEMPORAL_TLS_CLIENT_KEY_PATH: certificates.client.key,
  };
  const telling = {
    SELM_LOG: 'json',
    SELM_METRICS_NAMESPACE: 'selm',
    SELM_DEPLOYMENT: 'test',
    OTEL_EXPORTER_OTLP_ENDPOINT: otlp.url,
  };
  const version = ['--deployment', 'test', '--build-id', 'v1'];
  const schedules = [{ cron: '0 3 * * 1', run: { ...config, name: 'weekly' } }];
  control = startSelm(['worker', '--role', 'control', ...version], {
    ...withKey,
    ...telling,
    SELM_SCHEDULES: JSON.stringify(schedules),
    // ECS sets it in every container, also on Fargate.
    ECS_AGENT_URI: controlEcs.url,
  });
  const connection = await Connection.connect({ address: server.address });
  await makeCurrent(new Client({ connection }), { deploymentName: 'test', buildId: 'v1' });
  await connection.close();
  gpu = startSelm(['worker', '--role', 'gpu', ...version], {
    ...withCertificate,
    ...telling,
    SELM_CAPACITY: 'spot',
    SELM_POOL: 'single',
    SELM_METRICS_PORT: String(port),
    ECS_AGENT_URI: ecs.url,
  });
});

afterAll(async () => {
  for (const { process, ended } of [control, gpu].filter(Boolean)) {
    process.kill('SIGKILL');
    await ended;
  }
  server.stop();
});

it('rejects clients without key or certificate, and the error does not show the key', async () => {
  const { TEMPORAL_TLS_CLIENT_CERT_PATH: _, TEMPORAL_TLS_CLIENT_KEY_PATH: __, ...without } = withCertificate;
  const [wrong, anonymous] = await Promise.all([
    selm(['status', 'deployed'], { ...withKey, TEMPORAL_API_KEY: 'wrong-key' }),
    selm(['status', 'deployed'], without),
  ]);
  expect(wrong.code).toBe(1);
  expect(wrong.stderr).toMatch(/^selm: Temporal at 127.+ cannot be reached: .*no such key/);
  expect(wrong.stderr).not.toContain('wrong-key');
  expect(anonymous.stderr).toMatch(/^selm: Temporal at 127.+ cannot be reached/);
});

it('with a key on one side and a certificate on the other, a run is done', async () => {
  const started = await selm(['start', join(folder, 'run.yaml')], withCertificate);
  expect(started.code, started.stderr).toBe(0);
  const watched = await selm(['watch', 'deployed', '--json'], withKey);
  expect(watched.code, watched.stderr).toBe(0);
  const status = summaryOf<RunStatus>(watched);
  expect(status).toMatchObject({ state: 'done', results: [{ round: 1 }] });
  expect(status.gpuSeconds).toBeGreaterThan(0);
});

it('the declared schedule is there', async () => {
  expect((await selm(['schedule', 'list'], withKey)).stdout).toMatch(/^weekly: next run /);
});

it('Prometheus finds metrics of the SDK and of selm on the given port', async () => {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const value = (name: string) => Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(text)?.[1]);
  expect(text).toContain('temporal_activity_execution_latency');
  expect(value('selm_sampled_tokens')).toBeGreaterThan(100);
  expect(value('selm_training_steps')).toBeGreaterThanOrEqual(2);
  expect(value('selm_step_seconds_count')).toBeGreaterThanOrEqual(1);
});

interface Span {
  name: string;
  traceId: string;
  spanId: string;
  parentSpanId?: string;
}

const spans = () =>
  traces.flatMap(({ body }) =>
    (JSON.parse(body) as { resourceSpans: { scopeSpans: { spans: Span[] }[] }[] }).resourceSpans.flatMap(
      ({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans),
    ),
  );

it('one trace spans the run, its round and their activities', async () => {
  // Each worker exports its spans in batches, when it comes to that.
  const activities = ['prepare', 'sample', 'label', 'optimize', 'evaluate'].map((step) => `RunActivity:${step}`);
  const wanted = ['RunWorkflow:alignment', 'RunWorkflow:round', 'StartActivity:optimize', ...activities];
  await expect.poll(() => spans().map(({ name }) => name)).toEqual(expect.arrayContaining(wanted));
  expect(traces.every(({ method, path }) => method === 'POST' && path === '/v1/traces')).toBe(true);
  const all = spans();
  const byId = new Map(all.map((span) => [span.spanId, span]));
  const pathOf = (span: Span | undefined): string[] =>
    span ? [...pathOf(byId.get(span.parentSpanId ?? '')), span.name] : [];
  const train = all.find(({ name }) => name === 'RunActivity:optimize')!;
  expect(pathOf(train)).toEqual([
    'RunWorkflow:alignment',
    'StartChildWorkflow:round',
    'RunWorkflow:round',
    'StartActivity:optimize',
    'RunActivity:optimize',
  ]);
  const run = all.filter(({ traceId }) => traceId === train.traceId).map(({ name }) => name);
  expect(run).toEqual(expect.arrayContaining(activities));
});

it('the ECS task was protected while it worked, and not after', async () => {
  await expect.poll(() => agent.at(-1)?.body).toBe('{"ProtectionEnabled":false}');
  expect(agent[0]).toEqual({
    method: 'PUT',
    path: '/task-protection/v1/state',
    body: '{"ProtectionEnabled":true,"ExpiresInMinutes":60}',
  });
  // Its task role has no permission for it (cdk/control.ts).
  expect(controlAgent).toEqual([]);
});

it('logs are one JSON object an event, with its place; nothing shows the key', async () => {
  const ended: Ended[] = [];
  for (const { process, ended: end } of [control, gpu]) {
    process.kill('SIGTERM');
    ended.push(await end);
  }
  expect(ended.map(({ code }) => code)).toEqual([0, 0]);
  const text = ended.map(({ stderr, stdout }) => stderr + stdout).join('');
  expect(text).not.toContain(API_KEY);
  const lines = ended[1].stderr
    .trim()
    .split('\n')
    .filter((line) => !line.startsWith('Working as'));
  const events = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  const completed = events.filter(({ msg }) => msg === 'activity completed');
  expect(completed.find(({ activity }) => activity === 'optimize')).toEqual({
    level: 'info',
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/) as string,
    msg: 'activity completed',
    run: 'deployed',
    round: 1,
    step: 'optimize',
    activity: 'optimize',
    attempt: 1,
    workflowId: 'selm-deployed/round-1',
    seconds: expect.any(Number) as number,
    reused: false,
  });
  // Sampling belongs to the step that has asked for it.
  expect(
    completed.filter(({ activity, round }) => activity === 'sample' && round === 1).map(({ step }) => step),
  ).toEqual(['sample', 'evaluate']);

  const emf = ended.map(({ stdout }) =>
    stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>),
  );
  const workers = ['single', 'node'].flatMap((Pool) =>
    ['spot', 'on-demand'].map((Capacity) => ({ Pool, Version: 'v1', Capacity, Workers: 0 })),
  );
  expect(emf[0]).toEqual(
    expect.arrayContaining(
      [
        { Pool: 'single', Version: 'v1', Demand: 0 },
        { Pool: 'node', Version: 'v1', Demand: 0 },
        ...workers,
        { ParkedRuns: 0, RunsFailed: 0, HeartbeatAge: 0 },
      ].map((line) => expect.objectContaining({ Deployment: 'test', ...line }) as unknown),
    ),
  );
  const told = (metric: 'SampledTokens' | 'PromptTokens') =>
    emf[1].map(({ [metric]: tokens = 0 }) => tokens as number).reduce((a, b) => a + b, 0);
  expect(told('SampledTokens')).toBeGreaterThan(100);
  expect(told('PromptTokens')).toBeGreaterThan(100);
  expect(emf[1].find(({ Workers }) => Workers !== undefined)).toMatchObject({
    _aws: { CloudWatchMetrics: [{ Dimensions: [['Deployment', 'Pool', 'Version', 'Capacity']] }] },
    Deployment: 'test',
    Pool: 'single',
    Version: 'v1',
    Capacity: 'spot',
    Workers: 1,
  });
  // Of the volume of SELM_HOME.
  const { bavail, blocks } = statfsSync(folder);
  const disk = emf[1].find(({ DiskUsed }) => DiskUsed !== undefined)!;
  expect(disk).toMatchObject({ Deployment: 'test', Pool: 'single' });
  expect(disk['DiskUsed']).toBeCloseTo(100 * (1 - bavail / blocks), -1);
});
