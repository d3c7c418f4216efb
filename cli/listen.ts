/** An HTTP server that runs until it is stopped. */
import { once } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { serve } from '@hono/node-server';
import { z } from 'zod';
import { InputError } from '../data/errors.ts';
import { onStopSignal } from '../data/stop-signals.ts';
import { SettingsFlags } from './settings.ts';

/** Host names of a server that listens on the loopback interface. */
const LOOPBACK = ['127.0.0.1', 'localhost', '[::1]'];

/** A client that reads nothing of its response for this time is disconnected. The shorter time applies while the server stops. */
const STALLED_MS = 60_000;
const ENDING_STALLED_MS = 5000;
/** The time limit for requests in progress after a stop signal, like uvicorn's --timeout-graceful-shutdown. */
export const ENDING_SECONDS = 10;

/** Allowed Host headers of a server that listens on `address` (DNS-rebinding protection); undefined for all. */
export const hostsOf = (address: string): string[] | undefined =>
  ['::1', ...LOOPBACK].includes(address) ? LOOPBACK : undefined;

/**
 * Adds the flags of a command that listens.
 * @param access a sentence that says who can access the server
 */
export const listenFlags = (port: number, access: string) =>
  new SettingsFlags(
    z.strictObject({
      host: z.string().min(1).default('127.0.0.1').describe(`Address to listen on. ${access}`),
      port: z.int().min(0).max(65535).default(port).describe('Port; 0 chooses a free port.'),
    }),
    { named: { host: 'host <address>' } },
  );

/**
 * Serves until a stop signal. The server then finishes requests that it has received completely, for up to ENDING_SECONDS. A second
 * signal ends the process immediately.
 * @param say called with the address when the server listens
 * @param stop stops it as a stop signal does
 * @throws InputError when it cannot listen on the address
 */
export async function listen(
  app: { fetch: (request: Request) => Response | Promise<Response> },
  { host, port }: { host: string; port: number },
  say: (address: string) => void,
  stop?: AbortSignal,
): Promise<void> {
  const server = serve({ fetch: app.fetch, hostname: host, port }) as Server;
  const underWay = new Map<ServerResponse, IncomingMessage>();
  server.on('request', (request, response) => {
    underWay.set(response, request);
    response.once('close', () => underWay.delete(response));
  });
  server.on('connection', (socket) => {
    socket.once('close', () => {
      const waiting = [...underWay].filter(([response, request]) => !response.socket && request.socket === socket);
      // Node emits no close event for queued pipelined requests.
      for (const [response] of waiting) response.emit('close');
    });
  });
  /** Whether a request has been received completely and its response so far has been sent. */
  const isComputing = (socket: Socket) =>
    socket.writableLength === 0 &&
    [...underWay].some(([response, request]) => response.socket === socket && request.complete);
  server.setTimeout(STALLED_MS, (socket) => {
    if (!isComputing(socket)) socket.destroy();
  });
  try {
    await once(server, 'listening');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new InputError(`${host}:${port} is not available (${code}): give another --port or --host.`);
  }
  const { address, port: taken } = server.address() as AddressInfo;
  say(`http://${address.includes(':') ? `[${address}]` : address}:${taken}`);
  const ignoreSignals = await new Promise<() => void>((end) => {
    const ignore = onStopSignal(() => end(ignore));
    if (stop?.aborted) end(ignore);
    else stop?.addEventListener('abort', () => end(ignore), { once: true });
  });
  ignoreSignals();
  // A closing terminal may send SIGHUP more than once, so SIGHUP does not count as a second signal.
  process.once('SIGHUP', () => {});
  const closed = once(server, 'close');
  server.close();
  for (const [{ socket }, request] of underWay) {
    if (request.complete) socket?.setTimeout(ENDING_STALLED_MS);
    else request.destroy();
  }
  const late = setTimeout(() => server.closeAllConnections(), ENDING_SECONDS * 1000);
  await Promise.all([...underWay.keys()].map((response) => new Promise((close) => response.once('close', close))));
  clearTimeout(late);
  // The remaining connections have sent no complete request and may never do so.
  server.closeAllConnections();
  await closed;
}
