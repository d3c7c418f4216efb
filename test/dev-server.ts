/** Temporal's dev server, as somebody else runs it. */
import { spawn } from 'node:child_process';
import { Connection } from '@temporalio/client';
import { namespaceId } from '../workers/store-servers.ts';
import { findTemporal } from '../workers/dev-server/temporal-binary.ts';
import { freePort } from './free-port.ts';
import { until } from './until.ts';

export interface DevServer {
  address: string;
  stop(): void;
}

/**
 * @param settings of the server's dynamic configuration
 * @param namespaces beside the default one
 */
export async function startDevServer(
  settings: Record<string, unknown> = {},
  namespaces: string[] = [],
): Promise<DevServer> {
  const port = await freePort();
  const flags = `server start-dev --ip 127.0.0.1 --port ${port} --headless --log-level error`.split(' ');
  const dynamic = Object.entries(settings).flatMap(([key, value]) => [
    '--dynamic-config-value',
    `${key}=${JSON.stringify(value)}`,
  ]);
  const further = namespaces.flatMap((namespace) => ['--namespace', namespace]);
  const server = spawn(await findTemporal(console.error), [...flags, ...dynamic, ...further], { stdio: 'ignore' });
  const address = `127.0.0.1:${port}`;
  await untilReady(address, namespaces);
  return { address, stop: () => void server.kill() };
}

/**
 * Waits until a server has its namespaces, which come after it listens: a worker that starts before that ends.
 * @param further namespaces beside the default one
 */
export async function untilReady(address: string, further: string[] = []): Promise<void> {
  const connection = await until(`the server at ${address}`, () =>
    Connection.connect({ address }).catch(() => undefined),
  );
  for (const namespace of ['default', ...further])
    await until(`${namespace} at ${address}`, () => namespaceId(connection, namespace).catch(() => undefined));
  await connection.close();
}
