/** Credentials that are wrong in themselves are refused in a sentence that does not repeat them. */
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { OpenAiClient } from '../../openai/client/client.ts';
import { selm } from '../command.ts';
import { temporaryFolder } from '../temporary.ts';

const folder = temporaryFolder();
const hub = ['export', '--model', 'org/model', '--out', join(folder, 'out')];
const temporal = ['status', 'some-run'];
const store = ['policies'];
const bucket = {
  SELM_STORE: 's3://selm/team',
  AWS_REGION: 'us-east-1',
  AWS_ACCESS_KEY_ID: 'me',
  AWS_SECRET_ACCESS_KEY: 'planted-key',
  AWS_ENDPOINT_URL: 'http://127.0.0.1:9',
};
const worker = ['worker', '--role', 'gpu'];
const traced = { TEMPORAL_ADDRESS: '127.0.0.1:9', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' };
const label = [
  'label',
  '--by',
  'judge',
  '--judge-model',
  'm',
  '--in',
  join(folder, 'in.jsonl'),
  '--out',
  join(folder, 'out.jsonl'),
];
const bench = [
  'mt-bench',
  '--judge-model',
  'm',
  '--out',
  join(folder, 'answers.jsonl'),
  '--judgements',
  join(folder, 'judgements.jsonl'),
  '--model',
  'm',
];
writeFileSync(
  join(folder, 'in.jsonl'),
  `${JSON.stringify({ id: 'a', prompt: 'Hi', responses: [{ text: 'a' }, { text: 'b' }] })}\n`,
);
const profiles = join(folder, 'temporal.toml');
writeFileSync(profiles, '[profile.default]\naddress = "127.0.0.1:9"\napi_key = "planted-key\n');

test.each([
  ['a password in HF_ENDPOINT', hub, { HF_ENDPOINT: 'http://me:planted-password@127.0.0.1:9' }, 'HF_ENDPOINT'],
  [
    'a token with a new line in it',
    hub,
    { HF_ENDPOINT: 'http://127.0.0.1:9', HF_TOKEN: 'hf_planted\ntoken' },
    'HF_TOKEN',
  ],
  [
    'a password in TEMPORAL_ADDRESS',
    temporal,
    { TEMPORAL_ADDRESS: 'me:planted-password@127.0.0.1:9' },
    'TEMPORAL_ADDRESS',
  ],
  [
    'a Temporal key with a new line in it',
    temporal,
    { TEMPORAL_ADDRESS: '127.0.0.1:9', TEMPORAL_API_KEY: 'planted\nkey' },
    'TEMPORAL_API_KEY',
  ],
  [
    'gRPC metadata with a new line in it',
    temporal,
    { TEMPORAL_ADDRESS: '127.0.0.1:9', TEMPORAL_GRPC_META_AUTHORIZATION: 'planted\nkey' },
    'authorization',
  ],
  [
    "a key in Temporal's configuration file whose line is damaged",
    temporal,
    { TEMPORAL_CONFIG_FILE: profiles },
    profiles,
  ],
  [
    'a password in AWS_ENDPOINT_URL',
    store,
    { ...bucket, AWS_ENDPOINT_URL: 'http://me:planted-password@127.0.0.1:9' },
    'AWS_ENDPOINT_URL',
  ],
  [
    'a password in AWS_ENDPOINT_URL_S3',
    store,
    { ...bucket, AWS_ENDPOINT_URL_S3: 'http://me:planted-password@127.0.0.1:9' },
    'AWS_ENDPOINT_URL_S3',
  ],
  [
    'an AWS session token with a new line in it',
    store,
    { ...bucket, AWS_SESSION_TOKEN: 'planted\ntoken' },
    'AWS_SESSION_TOKEN',
  ],
  ['a password in SELM_STORE', store, { SELM_STORE: 'https://me:planted-password@127.0.0.1:9/bucket' }, 'SELM_STORE'],
  [
    'a password in OTEL_EXPORTER_OTLP_ENDPOINT',
    worker,
    { ...traced, OTEL_EXPORTER_OTLP_ENDPOINT: 'http://me:planted-password@127.0.0.1:9' },
    'OTEL_EXPORTER_OTLP_ENDPOINT',
  ],
  [
    'a password in OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
    worker,
    { ...traced, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://planted-password@127.0.0.1:9' },
    'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
  ],
  [
    'a header of traces with a new line in it',
    worker,
    { ...traced, OTEL_EXPORTER_OTLP_HEADERS: 'authorization=planted\nkey' },
    'OTEL_EXPORTER_OTLP_HEADERS',
  ],
  [
    "a password in a judge's address",
    [...label, '--server', 'https://me:planted-password@127.0.0.1:9/v1'],
    {},
    'server',
  ],
  [
    "a password in MT-Bench's judge's address",
    [...bench, '--server', 'https://me:planted-password@127.0.0.1:9/v1'],
    {},
    '--server',
  ],
  [
    'a key in place of the name of its variable',
    [...bench, '--server', 'https://127.0.0.1:9/v1', '--key-variable', 'sk-planted'],
    {},
    '--key-variable',
  ],
  [
    "a token in a model's address",
    ['export', '--model', 'https://me:planted-token@127.0.0.1:9/org/model', '--out', join(folder, 'out')],
    {},
    'is not a folder',
  ],
])('%s', async (_, args, env, named) => {
  const { code, stdout, stderr } = await selm(args, {
    SELM_HOME: join(folder, 'home'),
    HF_HUB_CACHE: join(folder, 'hub'),
    ...env,
  } as Record<string, string>);
  expect(stdout + stderr).not.toContain('planted');
  expect([code, stderr]).toEqual([2, expect.stringContaining(named)]);
  expect(
    stderr
      .trim()
      .split('\n')
      .filter((line) => !line.startsWith('Working as')),
  ).toHaveLength(1);
});

test('a server that echoes the key with its slash escaped: neither its error nor its answer repeats it', async () => {
  const key = 'sk-planted/key';
  process.env['SELM_TEST_ECHO_KEY'] = key;
  const echo = createServer((request, response) => {
    const said = JSON.stringify(request.headers.authorization).replaceAll('/', '\\/');
    const ok = request.url!.includes('good');
    response.writeHead(ok ? 200 : 400, { 'content-type': 'application/json' });
    response.end(
      ok ? `{"choices":[{"message":{"content":${said}},"finish_reason":"stop"}]}` : `{"error":{"message":${said}}}`,
    );
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => echo.once('listening', resolve));
  const { port } = echo.address() as AddressInfo;
  const ask = (path: string) =>
    new OpenAiClient({
      url: `http://127.0.0.1:${port}/${path}`,
      model: 'm',
      keyVariable: 'SELM_TEST_ECHO_KEY',
      retries: 0,
    }).chat([{ role: 'user', content: 'Hi' }], { temperature: 0, maxTokens: 8 });
  const { text } = await ask('good');
  const failure = await ask('bad').then(
    () => undefined,
    (error: Error) => error,
  );
  echo.close();
  delete process.env['SELM_TEST_ECHO_KEY'];
  expect(text).toBe('Bearer ***');
  expect(failure!.message).toContain('Bearer ***');
  expect(failure!.message + failure!.stack).not.toContain('planted');
});
