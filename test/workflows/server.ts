/** Servers for tests of workflows, and the workflows that their workers run. */
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Client, Connection } from '@temporalio/client';
import { NativeConnection, type WorkflowBundleOption } from '@temporalio/worker';
import { afterAll, beforeAll } from 'vitest';
import { startDevServer } from '../dev-server.ts';
import { startTimeSkipping } from '../time-skipping.ts';
import { bundleWorkflows, silenceTemporal } from './stand-ins.ts';

export interface TestServer {
  environment: TestWorkflowEnvironment;
  bundle: WorkflowBundleOption;
}

/** Starts the time-skipping server before the tests of the calling file or `describe`, and stops it after them. */
export function timeSkippingServer(): TestServer {
  const server: Partial<TestServer> = {};
  beforeAll(async () => {
    silenceTemporal();
    [server.environment, server.bundle] = await Promise.all([startTimeSkipping(), bundleWorkflows()]);
  });
  afterAll(() => server.environment?.teardown());
  return server as TestServer;
}

interface RealServer {
  address: string;
  environment: { client: Client; nativeConnection: NativeConnection };
  bundle: WorkflowBundleOption;
}

/** Starts Temporal's dev server, which has the visibility and the activities' options that the time-skipping one lacks. */
export function devServer(): RealServer {
  const server: Partial<RealServer> = {};
  let stop: (() => void) | undefined;
  beforeAll(async () => {
    silenceTemporal();
    const started = await startDevServer();
    const { address } = started;
    stop = started.stop;
    const connection = await Connection.connect({ address, connectTimeout: '60s' });
    const nativeConnection = await NativeConnection.connect({ address });
    const environment = { client: new Client({ connection }), nativeConnection };
    Object.assign(server, { address, environment, bundle: await bundleWorkflows() });
  });
  afterAll(async () => {
    await server.environment?.client.connection.close();
    await server.environment?.nativeConnection.close();
    stop?.();
  });
  return server as RealServer;
}
