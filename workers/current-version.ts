/** Sets the current version of a worker deployment: new runs start on it. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import type { WorkerDeploymentVersion } from '@temporalio/common';

const TRIES = 60;

/** Makes a version current once its workers have polled, because the server does not know it before. Idempotent. */
export async function makeCurrent(client: Client, { deploymentName, buildId }: WorkerDeploymentVersion): Promise<void> {
  const { namespace } = client.options;
  for (let tries = 1; ; tries++) {
    try {
      // Without GPU workers their task queue does not exist yet.
      await client.workflowService.setWorkerDeploymentCurrentVersion({
        namespace,
        deploymentName,
        buildId,
        ignoreMissingTaskQueues: true,
      });
      return;
    } catch (error) {
      if (tries === TRIES) throw error;
      await sleep(1000, undefined, { ref: false });
    }
  }
}
