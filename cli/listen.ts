/** An HTTP server of the command line, until it is told to stop. */
import { once } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { serve } from '@hono/node-server';
import { z } from 'zod';
import { InputError } from '../data/errors.ts';
import { onStopSignal } from '../data/stop-signals.ts';

/** Served to this machine alone, a server is asked for by these names alone. */
const LOOPBACK = ['127.0.0.1', 'localhost', '[::1]'];

/** A client that takes nothing of its response for so long is gone; the shorter one holds once the server is to end. */
const STALLED_MS = 60_000;
const ENDING_STALLED_MS = 5000;
/** After a stop signal, requests under way have this long to be answered, as with uvicorn's --timeout-graceful-shutdown. */
export const ENDING_SECONDS = 10;

/** Allowed Host headers of a server that listens on `address` (DNS-rebinding protection); undefined for all. */
export const hostsOf = (address: string): string[] | undefined =>
  ['::1', ...LOOPBACK].includes(address) ? LOOPBACK : undefined;

/** Of what is told to listen on an address, where there is a port by default. */
export const portSchema = (port: number) =>
  z.object({ port: z.int().min(0).max(65535).default(port).describe('Port; 0 takes a free one.') });

/**
 * Serves until a stop signal. Requests that have arrived completely by then are answered for up to ENDING_SECONDS. A second signal ends
 * the process.
 * @param say told the address once it listens
 * @throws InputError when the port cannot be had
 */
export async function listen(
  app: { fetch: (request: Request) => Response | Promise<Response> },
  { host, port }: { host: string; port: number },
  say: (address: string) => void,
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
      // Of pipelined requests, those that wait for their turn are not told by Node.
      for (const [response] of waiting) response.emit('close');
    });
  });
  /** Whether a request has come whole and all that its response has so far is sent. */
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
    throw new InputError(`${host}:${port} cannot be listened on (${code}): give another --port or --host.`);
  }
  const { address, port: taken } = server.address() as AddressInfo;
  say(`http://${address.includes(':') ? `[${address}]` : address}:${taken}`);
  const ignoreSignals = await new Promise<() => void>((stop) => {
    const ignore = onStopSignal(() => stop(ignore));
  });
  ignoreSignals();
  // The further SIGHUP of a closing terminal is no second signal.
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
  // What is left has sent no whole request, and may never do.
  server.closeAllConnections();
  await closed;
}
