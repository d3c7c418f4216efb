/** A decision about a parked run whose worker must replay it first: on a real server, without the query that commands send before. */
import { WorkflowUpdateFailedError } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { afterAll, expect, test, vi } from 'vitest';
import { connectEmbedded } from '../../workers/temporal/connection.ts';
import { joinDevServer, leaveDevServer } from '../../workers/dev-server/dev-server.ts';
import { startRun, type RunHandle } from '../../workers/runs/runs.ts';
import { runStatusQuery } from '../../workflows/alignment.ts';
import { pauseUpdate, skipUpdate } from '../../workflows/decisions.ts';
import { temporaryFolder } from '../temporary.ts';
import {
  badInput,
  bundleWorkflows,
  silenceTemporal,
  StandIns,
  testConfig,
  withWorkers,
} from '../workflows/stand-ins.ts';

vi.stubEnv('SELM_HOME', temporaryFolder());
afterAll(leaveDevServer);

const parkedIn = (run: RunHandle) => expect.poll(async () => (await run.query(runStatusQuery)).failure?.round);

test('it is taken after the failure that it is about', async () => {
  silenceTemporal();
  const address = await joinDevServer(() => {});
  vi.stubEnv('TEMPORAL_ADDRESS', address);
  const client = await connectEmbedded();
  const environment = { nativeConnection: await NativeConnection.connect({ address }) };
  const server = { environment, bundle: await bundleWorkflows() };
  const standIns = new StandIns();
  standIns.before.prefer = () => {
    throw badInput('None of the 8 prompts got a preference.');
  };
  const run = await withWorkers(server, standIns, async () => {
    const { handle } = await startRun(client, testConfig({ name: 'parked' }));
    await parkedIn(handle).toBe(1);
    return handle;
  });
  await withWorkers(server, standIns, async () => {
    await expect(run.executeUpdate(pauseUpdate, { args: [{}] })).rejects.toThrow(WorkflowUpdateFailedError);
  });
  await withWorkers(server, standIns, async () => {
    await run.executeUpdate(skipUpdate, { args: [{}] });
    await parkedIn(run).toBe(2);
  });
  // A replay of the complete history gives the same result.
  await withWorkers(server, standIns, () => parkedIn(run).toBe(2));
  await Promise.all([client.connection.close(), environment.nativeConnection.close()]);
});
