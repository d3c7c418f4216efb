/** New runs begin on the version of a deployment that is current. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import type { WorkerDeploymentVersion } from '@temporalio/common';

const TRIES = 60;

/** Makes a version current once its workers have asked for work, which is when the server knows it. Doing it again changes nothing. */
export async function makeCurrent(client: Client, { deploymentName, buildId }: WorkerDeploymentVersion): Promise<void> {
  const { namespace } = client.options;
  for (let tries = 1; ; tries++) {
    try {
      // GPU workers may be at zero: their queue is not there yet.
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
