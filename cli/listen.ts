/** An HTTP server of the command line, until it is told to stop. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { serve } from '@hono/node-server';
import { z } from 'zod';
import { InputError } from '../data/errors.ts';

/** Of what is told to listen on an address, where there is a port by default. */
export const portSchema = (port: number) =>
  z.object({ port: z.int().min(0).max(65535).default(port).describe('Port; 0 takes a free one.') });

/**
 * Serves until SIGINT or SIGTERM; what is being answered then is answered to its end.
 * @param say told the address once it listens
 * @throws InputError when the port cannot be had
 */
export async function listen(
  app: { fetch: (request: Request) => Response | Promise<Response> },
  { host, port }: { host: string; port: number },
  say: (address: string) => void,
): Promise<void> {
  const server = serve({ fetch: app.fetch, hostname: host, port });
  try {
    await once(server, 'listening');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new InputError(`${host}:${port} cannot be listened on (${code}): give another --port or --host.`);
  }
  const { address, port: taken } = server.address() as AddressInfo;
  say(`http://${address}:${taken}`);
  await new Promise((stop) => {
    process.once('SIGINT', stop);
    process.once('SIGTERM', stop);
  });
  const closed = once(server, 'close');
  server.close();
  await closed;
}
