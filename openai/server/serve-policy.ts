/** Serves a policy on the loopback interface for as long as a piece of work needs it. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { serve } from '@hono/node-server';
import { Secret } from '../../data/secret.ts';
import type { Engine, Policy } from '../../engine/protocol/jobs.ts';
import { endpoint } from './app.ts';
import { Models } from './models.ts';

/** An OpenAI-compatible server with a policy. */
export interface PolicyServer {
  /** Base URL, which ends in `/v1`. */
  url: string;
  key: Secret;
  /** The policy's model name in requests. */
  model: string;
}

const HOST = '127.0.0.1';
const MODEL = 'policy';

/** Serves a policy as `selm serve` does, at a free port and with a random key, until `work` ends. */
export async function withServedPolicy<T>(
  policy: Policy,
  engine: Engine,
  work: (served: PolicyServer) => Promise<T>,
): Promise<T> {
  const key = new Secret(randomBytes(32).toString('hex'));
  const app = endpoint(new Models(MODEL, policy, engine), { hosts: [HOST], apiKeys: [key] });
  const server = serve({ fetch: app.fetch, hostname: HOST, port: 0 }) as Server;
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  try {
    return await work({ url: `http://${HOST}:${port}/v1`, key, model: MODEL });
  } finally {
    server.close();
    server.closeAllConnections();
  }
}
