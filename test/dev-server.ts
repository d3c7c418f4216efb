/** Temporal's dev server, as somebody else runs it. */
import { spawn } from 'node:child_process';
import { findTemporal } from '../workers/temporal-binary.ts';
import { freePort } from './free-port.ts';

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
  return { address: `127.0.0.1:${port}`, stop: () => void server.kill() };
}
