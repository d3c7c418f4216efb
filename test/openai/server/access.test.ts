/** Access control of `selm serve`: host names, origins, API key, request limits, and shutdown. */
import { cpSync, mkdirSync, symlinkSync } from 'node:fs';
import { once } from 'node:events';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { selm } from '../../command.ts';
import { temporaryFolder } from '../../temporary.ts';
import { tinyAdapter, tinyModel } from '../../tiny-model.ts';
import { startServe, type Serving } from './serve.ts';

const KEY = 'sk-of-this-endpoint';
const NEXT_KEY = 'sk-of-next-month';
const folder = temporaryFolder();
const model = tinyModel(join(folder, 'model'));
const adapters = join(folder, 'adapters');
mkdirSync(adapters);
cpSync(tinyAdapter, join(adapters, 'one'), { recursive: true });
cpSync(tinyAdapter, join(folder, 'elsewhere'), { recursive: true });
symlinkSync(join(folder, 'elsewhere'), join(adapters, 'link'));
mkdirSync(join(adapters, 'files'));
for (const name of ['adapter_config.json', 'adapter_model.safetensors'])
  symlinkSync(join(folder, 'elsewhere', name), join(adapters, 'files', name));
const prompt = { model: 'tiny', prompt: [3, 40, 50, 2, 4], max_tokens: 2, temperature: 0 };

let open: Serving;
let locked: Serving;
beforeAll(async () => {
  [open, locked] = await Promise.all([
    startServe(model, ['--name', 'tiny', '--adapters', adapters]),
    startServe(model, ['--name', 'tiny', '--api-key', KEY, NEXT_KEY]),
  ]);
});
afterAll(() => Promise.all([open.stop(), locked.stop()]));

/** Sends a request with any headers, unlike fetch. */
async function send({ url }: Serving, path: string, headers: Record<string, string>, body?: string) {
  const method = body === undefined ? 'GET' : 'POST';
  const response = await new Promise<{ status: number; text: string }>((resolve, reject) => {
    const sent = request(
      `${url}${path}`,
      { method, headers },
      (got) => void textOf(got).then((text) => resolve({ status: got.statusCode!, text }), reject),
    );
    sent.on('error', reject);
    sent.end(body);
  });
  return response;
}
const portOf = ({ url }: Serving) => Number(new URL(url).port);

describe('names and pages', () => {
  test.each(['127.0.0.1', 'localhost', 'localhost:1', '[::1]'])('Host: %s is answered', async (host) => {
    expect((await send(open, '/models', { host })).status).toBe(200);
  });

  test.each(['evil.example', 'evil.example:80', '127.0.0.1.evil.example', '192.168.0.1'])(
    'Host: %s is not: it may be a name that leads here by DNS rebinding',
    async (host) => {
      expect((await send(open, '/models', { host })).status).toBe(421);
      expect((await send(open, '/completions', { host }, JSON.stringify(prompt))).status).toBe(421);
    },
  );

  test.each(['https://evil.example', 'null', 'http://localhost:1', 'http://127.0.0.1'])(
    'a page of %s is refused',
    async (origin) => {
      const load = JSON.stringify({ lora_name: 'a', lora_path: join(adapters, 'one') });
      const refused = await send(open, '/load_lora_adapter', { origin, 'content-type': 'text/plain' }, load);
      expect([refused.status, refused.text]).toEqual([403, expect.stringContaining(origin)]);
      expect((await send(open, '/models', { origin })).status).toBe(403);
      expect(await open.models()).toHaveLength(1);
    },
  );

  test("the endpoint's own origin is answered", async () => {
    expect((await send(open, '/models', { origin: new URL(open.url).origin })).status).toBe(200);
  });
});

const load = async (path: string) => open.ask('/load_lora_adapter', { lora_name: 'a', lora_path: path });

describe('adapters', () => {
  test('of a folder that the operator named are loaded', async () => {
    expect((await load(join(adapters, 'one'))).status).toBe(200);
    expect((await open.ask('/unload_lora_adapter', { lora_name: 'a' })).status).toBe(200);
  });

  test.each([
    ['another folder', join(folder, 'elsewhere')],
    ['one that is not there', '/nowhere/at/all'],
    ['a system folder', '/usr/lib'],
    ['a way out', join(adapters, 'one/../../elsewhere')],
    ['a way out that is spelled so', `${adapters}/../elsewhere`],
    ['a sibling of the same beginning', `${adapters}-other`],
    ['a link that leads out', join(adapters, 'link')],
    ['files that are links that lead out', join(adapters, 'files')],
  ])('of %s are refused, alike whether it is there', async (_, path) => {
    const { status, text } = await load(path);
    expect(status).toBe(400);
    expect(JSON.parse(text)).toEqual({
      error: {
        message: `"${path}" is in none of the folders that adapters may be loaded from (selm serve --adapters).`,
        type: 'invalid_request_error',
        param: 'lora_path',
        code: null,
      },
    });
    expect(await open.models()).toHaveLength(1);
  });

  test('--adapters with a path that is not a folder is refused at the start', async () => {
    const { code, stderr } = await selm(['serve', '--model', model, '--adapters', join(folder, 'nowhere')], {});
    expect([code, stderr]).toEqual([2, expect.stringContaining('is not a folder')]);
  });
});

describe('--api-key', () => {
  test('is needed below /v1, as with vLLM, and not for /health', async () => {
    for (const headers of [
      {},
      { authorization: 'Bearer wrong' },
      { authorization: KEY },
      { authorization: `Bearer ${KEY}x` },
      { authorization: `Bearer ${KEY} ${NEXT_KEY}` },
      { authorization: `Basic ${KEY}` },
    ]) {
      const refused = await send(locked, '/completions', headers as Record<string, string>, JSON.stringify(prompt));
      expect(refused.status).toBe(401);
      expect(refused.text).toContain('"code":"invalid_api_key"');
      expect(refused.text).not.toContain(KEY);
    }
    for (const authorization of [`Bearer ${KEY}`, `bearer ${KEY}`, `Bearer ${NEXT_KEY}`]) {
      expect((await send(locked, '/completions', { authorization }, JSON.stringify(prompt))).status).toBe(200);
    }
    expect((await fetch(locked.url.replace('/v1', '/health'))).status).toBe(200);
  });

  test('comes from SELM_API_KEY, too, and what is no key is refused without being repeated', async () => {
    const bad = 'sk-planted with-space';
    const { code, stdout, stderr } = await selm(['serve', '--model', model], { SELM_API_KEY: bad });
    expect([code, stderr]).toEqual([2, expect.stringContaining('SELM_API_KEY')]);
    expect(stdout + stderr).not.toContain('planted');
  });
});

/** Opens a connection and sends `text`. `closed` gives all data received until the connection is closed. */
function raw(serving: Serving, text: string): { socket: Socket; closed: Promise<string> } {
  const socket = connect(portOf(serving), '127.0.0.1');
  socket.on('error', () => {});
  socket.write(text);
  return { socket, closed: textOf(socket).catch(() => '') };
}

describe('a body', () => {
  test('of more than 2 MiB is refused before it is read, and the endpoint goes on', async () => {
    const large = JSON.stringify({ ...prompt, prompt: 'a '.repeat(1.5 * 1024 ** 2) });
    const said = await open.ask('/completions', JSON.parse(large) as object).catch(() => undefined);
    if (said) expect(said.status).toBe(413);
    // The header declares 200 MB; only a small part is sent.
    const { socket, closed } = raw(
      open,
      'POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 200000000\r\n\r\n{',
    );
    const head = await new Promise((resolve) => socket.once('data', resolve));
    expect(String(head)).toMatch(
      /^HTTP\/1\.1 413 [^]*larger than 2 MiB; send fewer prompts at a time, or a shorter conversation\./,
    );
    socket.destroy();
    await closed;
    // A chunked body, without Content-Length.
    const chunk = `${(1024 ** 2).toString(16)}\r\n${' '.repeat(1024 ** 2)}\r\n`;
    const chunked = raw(
      open,
      `POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n${chunk.repeat(3)}`,
    );
    expect(String(await new Promise((resolve) => chunked.socket.once('data', resolve)))).toMatch(/^HTTP\/1\.1 413 /);
    chunked.socket.destroy();
    expect((await open.ask('/completions', prompt)).status).toBe(200);
  });

  test('of many prompts that take more memory than there may be is refused', async () => {
    const many = { ...prompt, prompt: Array.from({ length: 40 }, () => [3]), n: 128 };
    const answers = await open.ask('/completions', many);
    expect([answers.status, answers.text]).toEqual([
      400,
      expect.stringContaining('5120 responses are more than the 4096'),
    ]);
    const scored = {
      ...prompt,
      prompt: Array.from({ length: 600 }, () => Array.from({ length: 220 }, () => 3)),
      logprobs: 1,
    };
    const tokens = await open.ask('/completions', scored);
    expect([tokens.status, tokens.text]).toEqual([
      400,
      expect.stringContaining('log-probabilities of 133200 tokens are more than'),
    ]);
  });

  test('of a text that does not fit is refused before all of it is encoded', async () => {
    for (const [path, body] of [
      ['/completions', { prompt: ' '.repeat(2 ** 20) }],
      ['/chat/completions', { messages: [{ role: 'user', content: ' '.repeat(2 ** 20) }], prompt: undefined }],
    ] as const) {
      const { status, text } = await open.ask(path, { ...prompt, ...body });
      expect([status, JSON.parse(text)]).toEqual([
        400,
        {
          error: expect.objectContaining({
            message: "a text of more than 256 tokens is longer than the model's context: shorten it.",
          }) as object,
        },
      ]);
    }
  });

  test('of less is read', async () => {
    const { status, text } = await open.ask('/completions', { ...prompt, prompt: 'a'.repeat(2 ** 20) });
    expect([status, text]).toEqual([400, expect.stringContaining('longer than')]);
  });
});

/** Timeout of a test that starts a separate server, which is slow on a busy machine. */
const STARTS_MS = 300_000;

test.each([
  ['headers', 'POST /v1/completions HTTP/1.1\r\nhost: local'],
  ['a body', 'POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{'],
])(
  'SIGTERM ends it beside a request of which only %s has come; one that is being answered is answered',
  async (_, part) => {
    const serving = await startServe(model, ['--name', 'tiny']);
    // Opens the model and the connections.
    expect((await serving.ask('/completions', prompt)).status).toBe(200);
    const half = raw(serving, part);
    const events = await fetch(`${serving.url}/completions`, {
      method: 'POST',
      body: JSON.stringify({ ...prompt, max_tokens: 100, stream: true }),
      headers: { 'content-type': 'application/json' },
    });
    expect(await serving.stop()).toBe(0);
    expect(await events.text()).toContain('data: [DONE]');
    await half.closed;
  },
  STARTS_MS,
);

test(
  'SIGTERM ends it beside a client that takes nothing of its answer',
  async () => {
    const serving = await startServe(model, ['--name', 'tiny']);
    // The response has 8 MB, more than the buffers of a connection.
    const sequences = Array.from({ length: 40 }, () => Array.from({ length: 240 }, () => 3));
    const body = JSON.stringify({
      model: 'tiny',
      prompt: sequences,
      max_tokens: 0,
      echo: true,
      logprobs: 20,
      return_tokens_as_token_ids: true,
      stream: true,
    });
    const socket = connect(portOf(serving), '127.0.0.1');
    socket.on('error', () => {});
    socket.write(`POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
    await once(socket, 'readable');
    expect(await serving.stop()).toBe(0);
    socket.destroy();
  },
  STARTS_MS,
);

test(
  'SIGTERM ends it after a client that has sent several requests at once has left',
  async () => {
    const serving = await startServe(model, ['--name', 'tiny']);
    const body = JSON.stringify({ ...prompt, max_tokens: 100 });
    const one = `POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    const { socket } = raw(serving, one.repeat(3));
    await once(socket, 'readable');
    socket.destroy();
    expect((await serving.ask('/completions', prompt)).status).toBe(200);
    expect(await serving.stop()).toBe(0);
  },
  STARTS_MS,
);
