/** Sets the current version of a worker deployment: new runs start on it. */
import type { Client } from '@temporalio/client';
import type { WorkerDeploymentVersion } from '@temporalio/common';
import pRetry from 'p-retry';

/** Attempts, one per second. */
const RETRIES = 59;

/** Makes a version current when its workers have polled. The server does not know the version before. Idempotent. */
export async function makeCurrent(client: Client, { deploymentName, buildId }: WorkerDeploymentVersion): Promise<void> {
  const { namespace } = client.options;
  const set = () =>
    client.workflowService.setWorkerDeploymentCurrentVersion({
      namespace,
      deploymentName,
      buildId,
      // The GPU task queue does not exist before a GPU worker has polled.
      ignoreMissingTaskQueues: true,
    });
  await pRetry(set, { retries: RETRIES, minTimeout: 1000, factor: 1, unref: true });
}
