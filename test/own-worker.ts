/** A worker of all roles with an embedded server of its own, as `selm worker` starts them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { expect } from 'vitest';
import { startSelm } from './command.ts';
import { until } from './until.ts';

export interface OwnWorker {
  /** Waits as until.ts does. What it says while it waits is the worker's log. */
  until<T>(what: string, condition: () => Promise<T | undefined> | T | undefined): Promise<T>;
  /** A client of its server. The caller closes the connection. */
  connect(): Promise<Client>;
  /** Stops it, and checks that it ends without an error. */
  stop(): Promise<void>;
}

/** Starts it, and waits until it works. */
export async function startOwnWorker(env: { SELM_HOME: string }): Promise<OwnWorker> {
  const worker = startSelm(['worker'], env);
  let said = '';
  worker.process.stderr!.on('data', (data) => (said += data));
  await until(
    'it works',
    () => said.includes('Working as control'),
    () => said,
  );
  return {
    until: (what, condition) => until(what, condition, () => said),
    async connect() {
      const { address } = JSON.parse(readFileSync(join(env.SELM_HOME, 'server.json'), 'utf8')) as { address: string };
      return new Client({ connection: await Connection.connect({ address }) });
    },
    async stop() {
      worker.process.kill('SIGTERM');
      expect((await worker.ended).code).toBe(0);
    },
  };
}
