import { createServer, type AddressInfo } from 'node:net';

export const freePort = (): Promise<number> => listened(0);

/** The first of several free ports, one after the other. */
export async function freePorts(count: number): Promise<number> {
  for (;;) {
    const first = await freePort();
    const others = Array.from({ length: count - 1 }, (_, i) => listened(first + 1 + i));
    if ((await Promise.allSettled(others)).every(({ status }) => status === 'fulfilled')) return first;
  }
}

/** Listens on a port for a moment. @throws when it is taken @returns the port */
async function listened(wanted: number): Promise<number> {
  const probe = createServer().listen(wanted, '127.0.0.1');
  await new Promise((resolve, reject) => probe.once('listening', resolve).once('error', reject));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}
