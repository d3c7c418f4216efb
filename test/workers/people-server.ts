/** A Temporal server with a control worker for tests of votings, whose blocks are started without a round. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import { afterAll, beforeAll } from 'vitest';
import { controlActivities, createActivities } from '../../activities/index.ts';
import { readVotes } from '../../activities/people/votes.ts';
import { LocalStore } from '../../artifacts/local-store.ts';
import type { SkipRecord, VoteRecord } from '../../labelers/people/protocol.ts';
import { namespaceId } from '../../workers/store-servers.ts';
import type { Voting } from '../../workers/voting/voting.ts';
import { CONTROL_QUEUE } from '../../workflows/queues.ts';
import { startDevServer } from '../dev-server.ts';
import { handleOf } from '../people.ts';
import { temporaryFolder } from '../temporary.ts';
import { bundleWorkflows, silenceTemporal } from '../workflows/stand-ins.ts';

export interface PeopleServer {
  client: Client;
  store: LocalStore;
}

/** Starts a dev server and a worker before the tests of the calling file, and stops them after them. */
export function peopleServer(settings: Record<string, unknown> = {}): PeopleServer {
  const server = { store: new LocalStore(join(temporaryFolder(), 'store')) } as PeopleServer;
  const stops: (() => unknown)[] = [];
  beforeAll(async () => {
    silenceTemporal();
    const { address, stop } = await startDevServer(settings);
    stops.push(stop);
    server.client = await connect(address);
    const connection = await NativeConnection.connect({ address });
    stops.unshift(() => Promise.all([server.client.connection.close(), connection.close()]));
    const worker = await Worker.create({
      connection,
      taskQueue: CONTROL_QUEUE,
      workflowBundle: await bundleWorkflows(),
      // No activity of a voting computes.
      activities: createActivities({ store: server.store, engine: {} as never, cacheFolder: '' }, controlActivities),
    });
    const running = worker.run();
    stops.unshift(() => {
      worker.shutdown();
      return running;
    });
  });
  afterAll(async () => {
    for (const stop of stops) await stop();
  });
  return server;
}

/** A client of a server that has just been started. */
export async function connect(address: string): Promise<Client> {
  const connection = await Connection.connect({ address, connectTimeout: '60s' });
  // A server listens before its namespace is there.
  while (!(await namespaceId(connection, 'default').catch(() => undefined))) await sleep(50);
  return new Client({ connection });
}

export interface Stored {
  votes: VoteRecord[];
  skips: SkipRecord[];
}

/** What a voting's blocks have stored, when they have ended. */
export async function storedBy(client: Client, store: LocalStore, { blocks }: Voting): Promise<Stored> {
  const results = await Promise.all(blocks.map((block) => handleOf(client, block).result()));
  const read = await Promise.all(results.map(({ votes }) => readVotes(store, votes)));
  return { votes: read.flatMap(({ votes }) => votes), skips: read.flatMap(({ skips }) => skips) };
}
