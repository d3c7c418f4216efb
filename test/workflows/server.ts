/** Temporal's time-skipping server, and the workflows that its workers run. */
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { WorkflowBundleOption } from '@temporalio/worker';
import { afterAll, beforeAll } from 'vitest';
import { startTimeSkipping } from '../time-skipping.ts';
import { bundleWorkflows, silenceTemporal } from './stand-ins.ts';

export interface TestServer {
  environment: TestWorkflowEnvironment;
  bundle: WorkflowBundleOption;
}

/** Starts the server before the tests of the calling file or `describe`, and stops it after them. */
export function timeSkippingServer(): TestServer {
  const server: Partial<TestServer> = {};
  beforeAll(async () => {
    silenceTemporal();
    [server.environment, server.bundle] = await Promise.all([startTimeSkipping(), bundleWorkflows()]);
  });
  afterAll(() => server.environment?.teardown());
  return server as TestServer;
}
