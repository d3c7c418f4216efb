/** The server that commands talk to which start none. */
import type { Client } from '@temporalio/client';
import { InputError } from '../data/errors.ts';
import { connectClient, hasServer } from '../workers/connection.ts';
import { joinDevServer, leaveDevServer, runningDevServer } from '../workers/dev-server.ts';

/**
 * The server of Temporal's environment configuration, else the one that `selm run` keeps in this folder.
 * @throws InputError when there is neither
 */
export async function connectServer(): Promise<Client> {
  useRunningServer();
  return connectClient();
}

/** Makes the server of this folder the one of the environment, where that names none. */
export function useRunningServer(): void {
  if (hasServer()) return;
  const address = runningDevServer();
  if (!address) throw new InputError('There is no Temporal server: set TEMPORAL_ADDRESS, or use selm run, which starts one.'); // prettier-ignore
  process.env['TEMPORAL_ADDRESS'] = address;
}

/** Asks the server of the environment, else the one of this folder, which is started for it. */
export async function withServer<T>(ask: (client: Client) => Promise<T>): Promise<T> {
  if (hasServer()) return ask(await connectClient());
  process.env['TEMPORAL_ADDRESS'] = await joinDevServer((message) => console.error(message));
  try {
    return await ask(await connectClient());
  } finally {
    await leaveDevServer();
  }
}
