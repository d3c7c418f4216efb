/** Free TCP ports of this machine, for servers that are about to start. */
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';

/** A port that nothing listens on. Another process may take it before it is used. */
export const freePort = (): Promise<number> => listen(0);

/** Whether nothing listens on a port. */
export const isFree = (port: number): Promise<boolean> => listen(port).then(Boolean, () => false);

/** Finds a free port by listening briefly. @returns the port */
async function listen(port: number): Promise<number> {
  const probe = createServer().listen(port, '127.0.0.1');
  await once(probe, 'listening');
  const { port: taken } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return taken;
}
