/** The Temporal server of a command: the one in Temporal's environment configuration, otherwise this folder's dev server. */
import type { Client } from '@temporalio/client';
import { InputError } from '../data/errors.ts';
import { onStopSignal } from '../data/stop-signals.ts';
import { connectClient, connectEmbedded, connectLocal, hasServer, useServer } from '../workers/temporal/connection.ts';
import { hasDatabase, joinDevServer, leaveDevServer } from '../workers/dev-server/dev-server.ts';
import { hasWorkers } from '../workers/dev-server/keep.ts';
import { INTERRUPTED } from './errors.ts';

/** Calls `ask` with a client. If this folder's dev server is needed and not running, it is started for the duration of the call. */
export async function withServer<T>(ask: (client: Client) => Promise<T>): Promise<T> {
  if (hasServer()) return ask(await connectClient());
  return whileServed(async (address) => {
    useServer(address);
    return ask(await connectEmbedded());
  });
}

/** Like `withServer`, with the embedded server of another home folder of this machine. No other embedded server may be in use. */
export async function withServerOf<T>(home: string, ask: (client: Client) => Promise<T>): Promise<T> {
  const own = process.env['SELM_HOME'];
  process.env['SELM_HOME'] = home;
  try {
    return await whileServed(async (address) => {
      const client = await connectLocal(address);
      return ask(client).finally(() => client.connection.close());
    });
  } finally {
    if (own === undefined) delete process.env['SELM_HOME'];
    else process.env['SELM_HOME'] = own;
  }
}

/** Runs `work` with the address of the home folder's server, which is started for the duration if necessary. */
async function whileServed<T>(work: (address: string) => Promise<T>): Promise<T> {
  let interrupted: Promise<void> | undefined;
  const ignoreSignals = onStopSignal((signal) => {
    // If another listener stops the command's work, this process leaves the server afterwards.
    if (process.listenerCount(signal) > 1) return;
    interrupted = leaveDevServer().finally(() => process.exit(INTERRUPTED));
  });
  try {
    return await work(await joinDevServer((message) => console.error(message)));
  } finally {
    // The work fails when the server ends. The process ends before that is reported.
    await interrupted;
    await leaveDevServer();
    ignoreSignals();
  }
}

/**
 * Like `withServer`, for queries and decisions about runs. If this folder has no worker, a temporary one answers queries.
 * @param ask gets a client, and whether no worker runs. In that case a decision takes effect when a worker starts
 * @throws InputError when the environment names no server and this folder has none
 */
export async function withRuns<T>(ask: (client: Client, alone: boolean) => Promise<T>): Promise<T> {
  if (hasServer()) return withServer((client) => ask(client, false));
  if (!hasDatabase())
    throw new InputError('There is no Temporal server: set TEMPORAL_ADDRESS, or use selm run, which starts one.');
  return withServer(async (client) => {
    if (await hasWorkers()) return ask(client, false);
    const { whileAnswering } = await import('../workers/answering.ts');
    return whileAnswering(() => ask(client, true));
  });
}

export const NO_WORKER = 'No worker runs in this folder: the run continues with the next selm run.';

/** Like `withRuns`, for a decision about a run. */
export const withDecision = (decide: (client: Client) => Promise<void>): Promise<void> =>
  withRuns(async (client, alone) => {
    await decide(client);
    if (alone) console.error(NO_WORKER);
  });
