/** Answers of servers: OpenAI-compatible ones, and the Hugging Face hub. */
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pinModel, resolveModel } from '../../../data/hub/models.ts';
import { promptsOf } from '../../../data/prompts.ts';
import { collect } from '../../../data/collect.ts';
import { loadTokenizer } from '../../../engine/tokenizer/tokenizer.ts';
import { OpenAiClient } from '../../../openai/client/client.ts';
import { sampleFromServer } from '../../../openai/client/sampler.ts';
import { samplingSchema } from '../../../engine/protocol/settings.ts';
import { tinyModel } from '../../tiny-model.ts';
import type { Parser, Parsers } from '../parser.ts';

const COMMIT = 'a'.repeat(40);
const usage = { prompt_tokens: 3, completion_tokens: 1, total_tokens: 4 };
const chatAnswer = {
  id: 'x',
  object: 'chat.completion',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Yes.' }, finish_reason: 'stop' }],
  usage,
};
const parts = {
  ...chatAnswer,
  choices: [
    {
      message: {
        content: [
          { type: 'thinking', thinking: 'x' },
          { type: 'text', text: 'Yes.' },
        ],
        reasoning_content: 'x',
      },
      finish_reason: null,
    },
  ],
};
const completion = {
  choices: [
    {
      index: 0,
      text: 'Yes',
      finish_reason: 'stop',
      token_ids: [7, 2],
      logprobs: { tokens: ['token_id:7', 'token_id:2'], token_logprobs: [-1, -0.5] },
    },
  ],
  usage,
};
const llamaCpp = {
  choices: [{ text: 'Yes', finish_reason: 'length', logprobs: { content: [{ id: 7, token: 'Y', logprob: -1 }] } }],
};
const errors = [
  {
    error: {
      message: 'This model’s maximum context length is 5 tokens.',
      type: 'invalid_request_error',
      param: 'messages',
      code: 'context_length_exceeded',
    },
  },
  { detail: [{ loc: ['body', 'temperature'], msg: 'Input should be less than 2', type: 'value_error' }] },
  { object: 'error', message: 'The model `m` does not exist.', code: 404 },
  { error: 'overloaded' },
];
const events = `data: ${JSON.stringify({ choices: [{ delta: { content: 'Y' } }] })}\n\ndata: [DONE]\n\n`;
const toText = (values: object[]) => values.map((value) => JSON.stringify(value));

/** A file of the hub: an empty object. */
function sendFile({ headers: { range } }: IncomingMessage, response: ServerResponse): void {
  const [, start, end] = /bytes=(\d+)-(\d+)/.exec(range ?? '') ?? [];
  const part = start === undefined ? '{}' : '{}'.slice(Number(start), Number(end) + 1);
  const headers = start === undefined ? {} : { 'Content-Range': `bytes ${start}-${end}/2` };
  response.writeHead(start === undefined ? 200 : 206, { ETag: '"x"', ...headers }).end(part);
}

const model = () => resolveModel('org/model');

export async function serverParsers(folder: string): Promise<Parsers> {
  let answer: (request: IncomingMessage, response: ServerResponse) => void;
  const server = createServer((request, response) => {
    request.resume();
    request.on('end', () => answer(request, response));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  server.unref();
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  const tokenizer = loadTokenizer(tinyModel(join(folder, 'served')));
  const client = () => new OpenAiClient({ url: `${url}/v1`, model: 'm', retries: 0 });
  const asked = { id: 'p', prompt: 'Hi', tokens: [5, 6, 7] };
  /** An answer is not the user's input: that a server gives none which can be read is an error that is tried again. */
  const body = (status: number, inputs: string[], ask: () => Promise<unknown>): Parser => ({
    form: 'json',
    inputs,
    names: '',
    errors: [Error],
    read: (input) => {
      answer = (_, response) => response.writeHead(status, { 'Content-Type': 'application/json' }).end(input);
      return ask();
    },
  });
  const chat = () => client().chat([{ role: 'user', content: 'Hi' }], { temperature: 0, maxTokens: 9 });
  const sample = () => sampleFromServer({ client: client(), tokenizer }, [asked], samplingSchema.parse({}), 0, {});

  const cache = join(folder, 'hub');
  Object.assign(process.env, { HF_ENDPOINT: url, HF_HUB_CACHE: cache });
  const files = ['config.json', 'default/train/0000.parquet'];
  const listing = files.map((path) => ({ type: 'file', path, oid: path.replaceAll('/', '-'), size: 2 }));
  /** The hub with one of its answers changed. */
  const hub = (call: string, inputs: object[], ask: () => Promise<unknown>): Parser => ({
    ...body(200, toText(inputs), ask),
    read: async (input) => {
      rmSync(cache, { recursive: true, force: true });
      const calls: Record<string, unknown> = {
        revision: { sha: COMMIT },
        tree: listing,
        'paths-info': listing.slice(0, 1),
      };
      answer = (request, response) => {
        const name = Object.keys(calls).find((key) => request.url!.includes(`/${key}/`));
        if (name === undefined) return sendFile(request, response);
        response.writeHead(200, { 'Content-Type': 'application/json' });
        response.end(name === call ? input : JSON.stringify(calls[name]));
      };
      await ask();
    },
  });
  return {
    'chat-answer': body(200, toText([chatAnswer, parts]), chat),
    'chat-events': { ...body(200, [events], chat), form: 'text' },
    'completion-answer': body(200, toText([completion, llamaCpp]), sample),
    'chat-error': body(400, toText(errors), chat),
    'completion-error': body(404, toText(errors), sample),
    'server-error': body(500, toText(errors), chat),
    'hub-model': hub('revision', [{ sha: COMMIT, id: 'org/model' }], async () => [
      await pinModel('org/model'),
      await model(),
    ]),
    'hub-listing': hub('tree', [listing], model),
    'hub-paths': hub('paths-info', [listing.slice(0, 1)], model),
    'hub-data': hub('tree', [listing], () => collect(promptsOf('org/data'))),
  };
}
