/**
 * A local OpenAI-compatible endpoint in front of a server, for a tool that asks by itself. Responses are cached by request, so that a tool
 * that runs again pays for nothing twice; the server's key stays in this process; and the limits and retries are those of `OpenAiClient`.
 */
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import { hashValue } from '../../artifacts/hash.ts';
import { jsonOf } from '../../data/json.ts';
import { Secret } from '../../data/secret.ts';
import type { OpenAiClient } from '../../openai/client/client.ts';
import { ResponseCache } from '../../openai/client/response-cache.ts';
import { RequestRefused } from '../../openai/errors.ts';

/** Any response with a choice. It is passed on unchanged. */
const responseSchema = z.looseObject({ choices: z.array(z.json()).min(1) });
type Answer = z.infer<typeof responseSchema>;

export interface CachingProxy {
  /** Base URL, which ends in `/v1`. */
  url: string;
  /** The key that a request must have: other users of this machine cannot ask at the expense of this one. */
  key: Secret;
  /** Aborted at the first failure that is not of a single request, with its error as the reason. */
  failed: AbortSignal;
  /** The requests that were answered, and those that the server refused. */
  counts: { answered: number; refused: number };
  /** The refusal of the first request that was refused. */
  refusal?: RequestRefused;
  close(): void;
}

interface ProxyOptions {
  /** The folder of the cache. */
  folder: string;
  signal?: AbortSignal;
  /** Called after each request. */
  onAnswer?: (answered: number) => void;
}

/** Starts a proxy on 127.0.0.1. */
export async function startCachingProxy(
  client: OpenAiClient,
  { folder, signal, onAnswer }: ProxyOptions,
): Promise<CachingProxy> {
  const cache = new ResponseCache<Answer>(folder, responseSchema);
  const failed = new AbortController();
  const ended = AbortSignal.any([failed.signal, ...(signal ? [signal] : [])]);
  // A tool may repeat a request whose answer it did not wait for.
  const pending = new Map<string, Promise<Answer>>();
  const ask = (path: string, body: object): Promise<Answer> => {
    const request = { url: client.url, path, body };
    const key = hashValue(request);
    const asked =
      pending.get(key) ??
      cache.answer(request, () => client.post(path, body, ended, responseSchema)).finally(() => pending.delete(key));
    pending.set(key, asked);
    return asked;
  };

  const respond = async (request: IncomingMessage): Promise<[status: number, body: object]> => {
    if (request.headers.authorization !== `Bearer ${proxy.key.reveal()}`)
      return [401, errorOf('Incorrect API key provided.')];
    const body = jsonOf(await text(request));
    if (typeof body !== 'object' || body === null) return [400, errorOf('The body is not a JSON object.')];
    try {
      const answer = await ask(request.url!.replace(/^\/v1/, ''), body);
      onAnswer?.(++proxy.counts.answered);
      return [200, answer];
    } catch (error) {
      if (!(error instanceof RequestRefused)) {
        failed.abort(error);
        return [400, errorOf('The server failed.')];
      }
      proxy.refusal ??= error;
      proxy.counts.refused++;
      return [400, errorOf(error.said)];
    }
  };

  const http = createServer((request, response) => {
    respond(request).then(
      ([status, body]) => response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body)),
      // The tool has ended, and its request is incomplete.
      () => response.destroy(),
    );
  });
  await new Promise<void>((listening) => http.listen(0, '127.0.0.1', listening));
  const proxy: CachingProxy = {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/v1`,
    key: new Secret(randomBytes(32).toString('hex')),
    failed: failed.signal,
    counts: { answered: 0, refused: 0 },
    close: () => {
      http.close();
      http.closeAllConnections();
    },
  };
  return proxy;
}

/** @param said the server's own words */
const errorOf = (said: string) => ({
  // alpaca_eval leaves an example without a preference, and goes on, after an error with this sentence.
  error: { message: `${said} Please try again with a different prompt.`, type: 'invalid_request_error' },
});
