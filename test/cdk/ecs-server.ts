/** A local server that answers control workers in place of ECS: it names one version as the current one of the deployment. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface EcsServer {
  /** The value of AWS_ENDPOINT_URL_ECS. */
  url: string;
  close: () => void;
}

/** @param container the container definition of the control worker, whose command has the version */
export async function startEcs(container: { Command: string[] }): Promise<EcsServer> {
  const buildId = buildIdOf(container.Command);
  const server = createServer((_, response) => {
    response.setHeader('Content-Type', 'application/x-amz-json-1.1');
    response.end(JSON.stringify({ tags: [{ key: 'selm-version', value: buildId }] }));
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** The version in a worker's command. */
export const buildIdOf = (command: string[]): string => command[command.indexOf('--build-id') + 1];
