/** Credentials that are wrong in themselves are refused in a sentence that does not repeat them. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ChatServer } from '../../openai/client.ts';
import { selm } from '../command.ts';
import { temporaryFolder } from '../temporary.ts';

const folder = temporaryFolder();
const hub = ['export', '--model', 'org/model', '--out', join(folder, 'out')];
const temporal = ['status', 'some-run'];

test.each([
  ['a password in HF_ENDPOINT', hub, { HF_ENDPOINT: 'http://me:planted-password@127.0.0.1:9' }, 'HF_ENDPOINT'],
  ['a token with a new line in it', hub, { HF_ENDPOINT: 'http://127.0.0.1:9', HF_TOKEN: 'hf_planted\ntoken' }, 'HF_TOKEN'],
  ['a password in TEMPORAL_ADDRESS', temporal, { TEMPORAL_ADDRESS: 'me:planted-password@127.0.0.1:9' }, 'TEMPORAL_ADDRESS'],
  ['a Temporal key with a new line in it', temporal, { TEMPORAL_ADDRESS: '127.0.0.1:9', TEMPORAL_API_KEY: 'planted\nkey' }, 'TEMPORAL_API_KEY'],
  ['gRPC metadata with a new line in it', temporal, { TEMPORAL_ADDRESS: '127.0.0.1:9', TEMPORAL_GRPC_META_AUTHORIZATION: 'planted\nkey' }, 'authorization'],
])('%s', async (_, args, env, named) => {
  const { code, stdout, stderr } = await selm(args, { SELM_HOME: join(folder, 'home'), HF_HUB_CACHE: join(folder, 'hub'), ...env } as Record<string, string>); // prettier-ignore
  expect(stdout + stderr).not.toContain('planted');
  expect([code, stderr]).toEqual([2, expect.stringContaining(named)]);
  expect(stderr.trim().split('\n')).toHaveLength(1);
}); // prettier-ignore

test('a server that echoes the key with its slash escaped: neither its error nor its answer repeats it', async () => {
  const key = 'sk-planted/key';
  process.env['SELM_TEST_ECHO_KEY'] = key;
  const echo = createServer((request, response) => {
    const said = JSON.stringify(request.headers.authorization).replaceAll('/', '\\/');
    const ok = request.url!.includes('good');
    response.writeHead(ok ? 200 : 400, { 'content-type': 'application/json' });
    response.end(ok ? `{"choices":[{"message":{"content":${said}},"finish_reason":"stop"}]}` : `{"error":{"message":${said}}}`); // prettier-ignore
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => echo.once('listening', resolve));
  const { port } = echo.address() as AddressInfo;
  const ask = (path: string) =>
    new ChatServer({ url: `http://127.0.0.1:${port}/${path}`, model: 'm', keyVariable: 'SELM_TEST_ECHO_KEY', retries: 0 }).chat([{ role: 'user', content: 'Hi' }], { temperature: 0, maxTokens: 8 }); // prettier-ignore
  const { text } = await ask('good');
  const failure = await ask('bad').then(() => undefined, (error: Error) => error); // prettier-ignore
  echo.close();
  delete process.env['SELM_TEST_ECHO_KEY'];
  expect(text).toBe('Bearer ***');
  expect(failure!.message).toContain('Bearer ***');
  expect(failure!.message + failure!.stack).not.toContain('planted');
});
