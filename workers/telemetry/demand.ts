/** The demand for GPU workers and the state of runs. A deployment uses these metrics for scaling and alarms. */
import type { Client } from '@temporalio/client';
import type { WorkerDeploymentVersion } from '@temporalio/common';
import { modelActivities } from '../../activities/index.ts';
import { runStatusQuery } from '../../workflows/alignment.ts';
import { CONTROL_QUEUE } from '../../workflows/queues.ts';
import type { RunStatus } from '../../workflows/status.ts';
import type { Metrics } from './metrics.ts';

const EVERY_SECONDS = 60;
const ANSWER_SECONDS = 10;

interface Demand {
  /** Number of engine activities that wait for a worker, wait for a retry, or run. */
  demand: number;
  parkedRuns: number;
  /** The longest time since the last heartbeat of a running engine activity, in seconds. 0 if none runs. */
  heartbeatAge: number;
}

/**
 * Counts the pending activities of every workflow in progress. Temporal's backlog of a task queue would not be sufficient: it excludes
 * activities that workers hold, so it is 0 while the last shard is still computed. Pending activities include queued and running ones and
 * those that wait for a retry. This takes one request per workflow: a run, its round, and at most two blocks of shards.
 * @param version counts only workflows pinned to this version of a deployment, or to none
 */
async function observeDemand(client: Client, version?: WorkerDeploymentVersion): Promise<Demand> {
  let [demand, parkedRuns, heartbeatAge] = [0, 0, 0];
  const now = Date.now();
  const query = `TaskQueue = '${CONTROL_QUEUE}' AND ExecutionStatus = 'Running'`;
  for await (const { workflowId, runId, type } of client.workflow.list({ query })) {
    const handle = client.workflow.getHandle(workflowId, runId);
    const { raw } = await handle.describe();
    const pinned = raw.workflowExecutionInfo?.versioningInfo?.deploymentVersion;
    if (version && pinned && pinned.buildId !== version.buildId) continue;
    const pending = (raw.pendingActivities ?? []).filter(
      ({ activityType }) => (activityType?.name ?? '') in modelActivities,
    );
    demand += pending.length;
    for (const { lastHeartbeatTime, lastStartedTime, state } of pending) {
      const heard = lastHeartbeatTime ?? lastStartedTime;
      if (state !== STARTED || !heard) continue;
      heartbeatAge = Math.max(heartbeatAge, (now - Number(heard.seconds) * 1000 - (heard.nanos ?? 0) / 1e6) / 1000);
    }
    if (type !== 'alignment') continue;
    // Without a worker that answers, it is unknown whether the run is parked.
    const status = await client
      .withDeadline(Date.now() + ANSWER_SECONDS * 1000, () => handle.query<RunStatus, []>(runStatusQuery))
      .catch(() => undefined);
    if (status?.state === 'parked') parkedRuns++;
  }
  return { demand, parkedRuns, heartbeatAge };
}

/** temporal.api.enums.v1.PendingActivityState */
const STARTED = 2;

/**
 * Publishes the demand immediately and then every minute until `stop`. Several control workers publish the same number, so use the
 * maximum. Nothing is published while Temporal does not answer; a deployment has a separate alarm for missing data.
 */
export function publishDemand(
  client: Client,
  metrics: Metrics,
  warn: (message: string) => void,
  version?: WorkerDeploymentVersion,
  everySeconds = EVERY_SECONDS,
): () => void {
  let looking = false;
  const publish = async () => {
    if (looking) return;
    looking = true;
    try {
      const { demand, parkedRuns, heartbeatAge } = await observeDemand(client, version);
      metrics.set('demand', demand);
      metrics.set('parked_runs', parkedRuns);
      metrics.set('heartbeat_age', heartbeatAge);
      metrics.flush();
    } catch (error) {
      warn(`The demand is not known: ${(error as Error).message}`);
    } finally {
      looking = false;
    }
  };
  void publish();
  const timer = setInterval(() => void publish(), everySeconds * 1000);
  return () => clearInterval(timer);
}
