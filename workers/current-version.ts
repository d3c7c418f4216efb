/** New runs begin on the version of a deployment that is current. */
import type { Client } from '@temporalio/client';
import type { WorkerDeploymentVersion } from '@temporalio/common';
import pRetry from 'p-retry';

/** Once a second. */
const RETRIES = 59;

/** Makes a version current once its workers have asked for work, which is when the server knows it. Doing it again changes nothing. */
export async function makeCurrent(client: Client, { deploymentName, buildId }: WorkerDeploymentVersion): Promise<void> {
  const { namespace } = client.options;
  // GPU workers may be at zero: their queue does not exist yet.
  const version = { namespace, deploymentName, buildId, ignoreMissingTaskQueues: true };
  const set = () => client.workflowService.setWorkerDeploymentCurrentVersion(version);
  await pRetry(set, { retries: RETRIES, minTimeout: 1000, factor: 1, unref: true });
}
