/** What clients send to `selm serve` and `selm ui`: never a fault of the server's, and an error in one sentence. */
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { LocalStore } from '../../../artifacts/local-store.ts';
import { Models } from '../../../openai/server/models.ts';
import { endpoint } from '../../../openai/server/app.ts';
import { LocalEngine } from '../../../engine/onnx/engine.ts';
import type { Engine } from '../../../engine/protocol/jobs.ts';
import { webApp } from '../../../web/app.ts';
import { tinyAdapter, tinyModel } from '../../tiny-model.ts';
import { jsonOf } from '../../../data/json.ts';
import type { Parser, Parsers } from '../parser.ts';

const completion = {
  model: 'tiny',
  prompt: ['Hi', 'So'],
  max_tokens: 2,
  temperature: 1,
  top_p: 0.9,
  top_k: 5,
  n: 1,
  seed: 1,
  stop: ['e'],
  logprobs: 2,
  echo: true,
  stream: false,
  return_token_ids: true,
};
const ids = {
  model: 'tiny',
  prompt: [[5, 6], [7]],
  max_tokens: 1,
  stream: true,
  stream_options: { include_usage: true },
};
const chat = {
  model: 'tiny',
  messages: [
    { role: 'user', content: [{ type: 'text', text: 'Hi' }] },
    { role: 'assistant', content: 'a' },
    { role: 'user', content: 'So?' },
  ],
  max_completion_tokens: 2,
  logprobs: true,
  top_logprobs: 2,
  stop: 'e',
  tools: [],
  response_format: { type: 'text' },
};
const streamed = { ...chat, stream: true, logprobs: false, top_logprobs: 0 };

const AUTHORITY = 'http://127.0.0.1:8000';

/** Paths, and a header. */
const get = (
  app: { request: (url: string, init: RequestInit) => Response | Promise<Response> },
  ...inputs: string[]
): Parser => ({
  form: 'text',
  inputs,
  read: async (input) => {
    const text = input.toString('latin1');
    if (!URL.canParse(`${AUTHORITY}/${text}`)) return;
    const header = text.replaceAll(/[^\x20-\x7e]/g, '').trim();
    check(await app.request(`${AUTHORITY}/${text}`, { headers: { Authorization: header, Origin: header } }));
  },
});

export async function endpointParsers(folder: string): Promise<Parsers> {
  const model = tinyModel(join(folder, 'endpoint'));
  const adapters = join(folder, 'adapters');
  cpSync(tinyAdapter, join(adapters, 'a'), { recursive: true });
  const local = new LocalEngine();
  const control = { onProgress: () => {}, aborted: () => false, isCancelled: () => false };
  const engine: Engine = {
    version: async () => 'stand-in 1',
    run: (method, job, { onProgress = control.onProgress } = {}) => local.run(method, job, { ...control, onProgress }),
    close: () => local.close(),
  };
  const served = endpoint(new Models('tiny', { model }, engine, { folders: [adapters], copies: folder }));

  const post = (path: string, ...inputs: object[]): Parser => ({
    form: 'json',
    inputs: inputs.map((input) => JSON.stringify(input)),
    read: async (input) =>
      check(
        await served.request(`${AUTHORITY}${path}`, {
          method: 'POST',
          body: new Uint8Array(input),
          headers: { 'Content-Type': 'application/json' },
        }),
      ),
  });

  const store = new LocalStore(join(folder, 'ui-store'), () => {});
  // Nobody listens there: pages of runs say that Temporal does not answer.
  const connection = Connection.lazy({ address: '127.0.0.1:1', connectTimeout: 1 });
  const pages = webApp(new Client({ connection }), store, { hosts: ['127.0.0.1'] });
  return {
    'serve-completions': post('/v1/completions', completion, ids),
    'serve-chat': post('/v1/chat/completions', chat, streamed),
    'serve-load-adapter': post('/v1/load_lora_adapter', {
      lora_name: 'a',
      lora_path: join(adapters, 'a'),
      lora_int_id: null,
    }),
    'serve-unload-adapter': post('/v1/unload_lora_adapter', { lora_name: 'a' }),
    'serve-path': get(served, 'v1/models', 'v1/models/tiny', 'health', 'v1/models/%2e%2e/x'),
    'ui-path': get(pages, 'policies', 'healthz', 'policies?x=1', 'runs/%00', 'runs/a b'),
  };
}

/** @throws Error when the server says that it failed, or does not say in one sentence what is wrong */
async function check(response: Response): Promise<void> {
  const { status } = response;
  const text = await response.text();
  const isPage = text.startsWith('<!');
  if (status >= 500 && !(isPage && status === 503)) throw new Error(`Status ${status}: ${text.slice(0, 1000)}`);
  const events = text.startsWith('data: ') ? text.split('\n\n').map((event) => event.slice('data: '.length)) : [text];
  for (const event of events) checkError(jsonOf(event));
  if (status >= 400 && !isPage && jsonOf(text) === undefined)
    throw new Error(`Status ${status} without JSON: ${text.slice(0, 1000)}`);
}

function checkError(body: unknown): void {
  const { error } = Object(body) as { error?: { message: string; type: string } };
  if (error === undefined) return;
  if (error.type === 'server_error' || /\p{Cc}/u.test(error.message) || error.message.length > 1005)
    throw new Error(`The endpoint said: ${JSON.stringify(error)}`.slice(0, 2000));
}
