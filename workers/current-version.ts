/** Sets the current version of a worker deployment: new runs start on it. */
import type { Client } from '@temporalio/client';
import type { WorkerDeploymentVersion } from '@temporalio/common';
import pRetry from 'p-retry';

/** Once a second. */
const RETRIES = 59;

/** Makes a version current once its workers have polled, because the server does not know it before. Idempotent. */
export async function makeCurrent(client: Client, { deploymentName, buildId }: WorkerDeploymentVersion): Promise<void> {
  const { namespace } = client.options;
  const set = () =>
    client.workflowService.setWorkerDeploymentCurrentVersion({
      namespace,
      deploymentName,
      buildId,
      // Without GPU workers their task queue does not exist yet.
      ignoreMissingTaskQueues: true,
    });
  await pRetry(set, { retries: RETRIES, minTimeout: 1000, factor: 1, unref: true });
}
