/** The server that commands talk to: that of Temporal's environment configuration, else the one of this folder, started for as long as it takes. */
import type { Client } from '@temporalio/client';
import { InputError } from '../data/errors.ts';
import { connectClient, connectEmbedded, hasServer, useServer } from '../workers/connection.ts';
import { hasDatabase, joinDevServer, leaveDevServer } from '../workers/dev-server.ts';
import { hasWorkers } from '../workers/keep-server.ts';

export async function withServer<T>(ask: (client: Client) => Promise<T>): Promise<T> {
  const embedded = !hasServer();
  if (embedded) useServer(await joinDevServer((message) => console.error(message)));
  try {
    return await ask(await (embedded ? connectEmbedded() : connectClient()));
  } finally {
    await leaveDevServer();
  }
}

/**
 * As `withServer`, for what is asked of runs: on this folder's server, where no worker runs, one answers meanwhile.
 * @throws InputError when the environment names no server and none has run in this folder
 */
export async function withRuns<T>(ask: (client: Client) => Promise<T>): Promise<T> {
  if (hasServer()) return withServer(ask);
  if (!hasDatabase()) throw new InputError('There is no Temporal server: set TEMPORAL_ADDRESS, or use selm run, which starts one.'); // prettier-ignore
  return withServer(async (client) => {
    if (await hasWorkers()) return ask(client);
    const { whileAnswering } = await import('../workers/answering.ts');
    return whileAnswering(() => ask(client));
  });
}
