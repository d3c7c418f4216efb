/** The server that commands talk to: that of Temporal's environment configuration, else the one of this folder, started for as long as it takes. */
import type { Client } from '@temporalio/client';
import { InputError } from '../data/errors.ts';
import { onStopSignal } from '../data/stop-signals.ts';
import { connectClient, connectEmbedded, connectLocal, hasServer, useServer } from '../workers/connection.ts';
import { hasDatabase, joinDevServer, leaveDevServer } from '../workers/dev-server.ts';
import { hasWorkers } from '../workers/keep-server.ts';
import { INTERRUPTED } from './errors.ts';

export async function withServer<T>(ask: (client: Client) => Promise<T>): Promise<T> {
  if (hasServer()) return ask(await connectClient());
  return whileServed(async (address) => {
    useServer(address);
    return ask(await connectEmbedded());
  });
}

/** As `withServer`, on the embedded server of another home folder of this machine. No other may be in use. */
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

/** Runs `work` with the address of the home folder's server, started for as long as it takes. */
async function whileServed<T>(work: (address: string) => Promise<T>): Promise<T> {
  const ignoreSignals = onStopSignal(interrupt);
  try {
    return await work(await joinDevServer((message) => console.error(message)));
  } finally {
    await leaveDevServer();
    ignoreSignals();
  }
}

/** Ctrl-C leaves no server behind. */
function interrupt(signal: NodeJS.Signals): void {
  // Who else listens ends what it does, which is left then.
  if (process.listenerCount(signal) > 1) return;
  void leaveDevServer().finally(() => process.exit(INTERRUPTED));
}

/**
 * As `withServer`, for what is asked of runs: on this folder's server, where no worker runs, one answers meanwhile.
 * @param ask is told whether no worker runs: what it decides is carried out later
 * @throws InputError when the environment names no server and none has run in this folder
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

export const NO_WORKER = 'No worker runs in this folder: what is left of the run waits for the next selm run.';

/** As `withRuns`, for a decision about a run. */
export const withDecision = (decide: (client: Client) => Promise<void>): Promise<void> =>
  withRuns(async (client, alone) => {
    await decide(client);
    if (alone) console.error(NO_WORKER);
  });
