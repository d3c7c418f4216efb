/** Web pages on a real HTTP server in this process, and visitors with a session. */
import { once } from 'node:events';
import { request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { serve } from '@hono/node-server';
import type { Hono } from 'hono';
import type { WebEnv } from '../../web/identity.ts';

/** Serves an application. @returns its address, and what ends it */
export async function servePages(app: Hono<WebEnv>): Promise<{ origin: string; close: () => void }> {
  // Node's default would close a connection that is idle for 5 seconds. When this process has stood still for so long on a busy machine,
  // the next request would be sent on a connection that is just being closed.
  const serverOptions = { keepAliveTimeout: 0 };
  const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0, serverOptions });
  await once(server, 'listening');
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => void server.close() };
}

/** A response, with the sentence of a page that says what is wrong. */
export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  sentence?: string;
}

/** Requests a page without following redirects. */
export async function visit(url: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url, { redirect: 'manual', ...init });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, sentence: sentenceOf(text) };
}

/** As `visit`, with the path as it is: fetch() resolves `..` itself. */
export async function visitRaw(origin: string, path: string, headers: Record<string, string> = {}): Promise<number> {
  const { hostname, port } = new URL(origin);
  const [response] = await once(
    request({ hostname, port, path, headers, setHost: !('host' in headers) }).end(),
    'response',
  );
  (response as NodeJS.ReadableStream).resume();
  return (response as { statusCode: number }).statusCode;
}

const sentenceOf = (text: string) =>
  /class="warning">([^<]*)</.exec(text)?.[1].replaceAll('&quot;', '"').replaceAll('&#39;', "'");

/** Opens an invitation link. @returns the session cookie, as a browser sends it */
export async function join(origin: string, token: string): Promise<string> {
  const { status, headers } = await visit(`${origin}/join?token=${token}`);
  if (status !== 303) throw new Error(`/join answered ${status}.`);
  return headers.getSetCookie()[0].split(';')[0];
}
