/**
 * The version of a control worker in a deployment on ECS. A tag of the workers' cluster names the current version. The worker of that
 * version makes it Temporal's current version and declares the schedules; that of an earlier version stops its service once it is drained.
 */
import type { ECSClient } from '@aws-sdk/client-ecs';
import type { Client } from '@temporalio/client';
import type { WorkerDeploymentVersion } from '@temporalio/common';
import { VERSION_TAG } from '../config/deployment/version-tag.ts';
import { InputError } from '../data/errors.ts';
import { makeCurrent } from './current-version.ts';
import { declareSchedules, type Declared } from './runs/declared-schedules.ts';

const EVERY_SECONDS = 30;

/** temporal.api.enums.v1.VersionDrainageStatus */
const DRAINED = 2;

/** The worker's own service. */
export interface EcsService {
  /** ARN of the cluster. */
  cluster: string;
  service: string;
}

/** SELM_ECS_CLUSTER and SELM_ECS_SERVICE; undefined outside of a deployment. @throws InputError when one of them is missing */
export function ownService(): EcsService | undefined {
  const { SELM_ECS_CLUSTER: cluster = '', SELM_ECS_SERVICE: service = '' } = process.env;
  if ((cluster === '') !== (service === ''))
    throw new InputError('SELM_ECS_CLUSTER and SELM_ECS_SERVICE belong together: set both, or neither.');
  return cluster === '' ? undefined : { cluster, service };
}

/** What a control worker does for its version. */
export interface Following {
  client: Client;
  version: WorkerDeploymentVersion;
  /** Schedules of this version, which are declared while it is current. */
  schedules: Declared[] | undefined;
  warn: (message: string) => void;
}

/** Follows the tag of the cluster until the returned function is called. A failure is logged and tried again. */
export function followDeployment(own: EcsService, { client, version, schedules, warn }: Following): () => void {
  let [looking, promoted] = [false, false];
  const look = async () => {
    if (looking) return;
    looking = true;
    try {
      // Loaded on demand, because loading is slow.
      const { ECSClient: Ecs } = await import('@aws-sdk/client-ecs');
      const ecs = new Ecs({});
      const isCurrent = (await currentVersion(ecs, own.cluster)) === version.buildId;
      if (isCurrent && !promoted) {
        await makeCurrent(client, version);
        if (schedules) await declareSchedules(client, schedules);
      }
      promoted = isCurrent;
      if (!isCurrent && (await isDrained(client, version))) await stopService(ecs, own);
    } catch (error) {
      warn(`Version ${version.buildId} could not be updated: ${(error as Error).message}`);
    } finally {
      looking = false;
    }
  };
  void look();
  const timer = setInterval(() => void look(), EVERY_SECONDS * 1000);
  return () => clearInterval(timer);
}

async function currentVersion(ecs: ECSClient, cluster: string): Promise<string | undefined> {
  const { ListTagsForResourceCommand } = await import('@aws-sdk/client-ecs');
  const { tags = [] } = await ecs.send(new ListTagsForResourceCommand({ resourceArn: cluster }));
  return tags.find(({ key }) => key === VERSION_TAG)?.value;
}

/** Whether the version was current and all runs that started on it have ended. */
async function isDrained(client: Client, deploymentVersion: WorkerDeploymentVersion): Promise<boolean> {
  const { namespace } = client.options;
  const request = { namespace, deploymentVersion };
  const { workerDeploymentVersionInfo } = await client.workflowService.describeWorkerDeploymentVersion(request);
  return workerDeploymentVersionInfo?.drainageInfo?.status === DRAINED;
}

async function stopService(ecs: ECSClient, own: EcsService): Promise<void> {
  const { UpdateServiceCommand } = await import('@aws-sdk/client-ecs');
  await ecs.send(new UpdateServiceCommand({ ...own, desiredCount: 0 }));
}
