/** The demand for GPU workers and the state of runs. A deployment uses these metrics for scaling and alarms. */
import type { Client } from '@temporalio/client';
import type { WorkerDeploymentVersion } from '@temporalio/common';
import { modelActivities } from '../../activities/index.ts';
import { POOLS, type PoolName } from '../../config/pools.ts';
import { runStatusQuery } from '../../workflows/alignment.ts';
import { CONTROL_QUEUE, MODEL_QUEUES } from '../../workflows/queues.ts';
import { waitsForDecision } from '../../report/failure.ts';
import type { RunStatus } from '../../workflows/status.ts';
import type { Metrics } from './metrics.ts';

const EVERY_SECONDS = 60;
const ANSWER_SECONDS = 10;
const FAILED_SINCE_MINUTES = 15;
const CAPACITIES = ['spot', 'on-demand'];

interface Demand {
  /** Number of engine activities of a pool that wait for a worker, wait for a retry, or run. */
  demand: Record<PoolName, number>;
  /** Runs that wait for an operator's decision, and not for an automatic retry. */
  parkedRuns: number;
  /** Runs that ended as failed in the last FAILED_SINCE_MINUTES. */
  failedRuns: number;
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
  const demand = { single: 0, node: 0 };
  let [parkedRuns, heartbeatAge] = [0, 0];
  const now = Date.now();
  const query = `TaskQueue = '${CONTROL_QUEUE}' AND ExecutionStatus = 'Running'`;
  for await (const { workflowId, runId, type } of client.workflow.list({ query })) {
    const handle = client.workflow.getHandle(workflowId, runId);
    const { raw } = await handle.describe();
    const pinned = raw.workflowExecutionInfo?.versioningInfo?.deploymentVersion;
    if (version && pinned && pinned.buildId !== version.buildId) continue;
    for (const { activityType, activityOptions, lastHeartbeatTime, lastStartedTime, state } of raw.pendingActivities ??
      []) {
      const pool = poolOfActivity(activityType?.name, activityOptions?.taskQueue?.name);
      if (!pool) continue;
      demand[pool]++;
      const heard = lastHeartbeatTime ?? lastStartedTime;
      if (state !== STARTED || !heard) continue;
      heartbeatAge = Math.max(heartbeatAge, (now - Number(heard.seconds) * 1000 - (heard.nanos ?? 0) / 1e6) / 1000);
    }
    if (type !== 'alignment') continue;
    // Without a worker that answers, it is unknown whether the run is parked.
    const status = await client
      .withDeadline(Date.now() + ANSWER_SECONDS * 1000, () => handle.query<RunStatus, []>(runStatusQuery))
      .catch(() => undefined);
    if (status?.state === 'parked' && waitsForDecision(status)) parkedRuns++;
  }
  const since = new Date(now - FAILED_SINCE_MINUTES * 60_000).toISOString();
  const failed = `WorkflowType = 'alignment' AND ExecutionStatus = 'Failed' AND CloseTime > '${since}'`;
  const { count: failedRuns } = await client.workflow.count(failed);
  return { demand, parkedRuns, failedRuns, heartbeatAge };
}

/** The pool that an activity waits for or runs in. Undefined for one of the control queue. */
function poolOfActivity(name: string | null | undefined, queue: string | null | undefined): PoolName | undefined {
  // Servers before 1.28 do not report the queue: then all that may need a model counts for one pool.
  if (!queue) return (name ?? '') in modelActivities ? 'single' : undefined;
  return POOLS.find((pool) => MODEL_QUEUES[pool] === queue);
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
      const { demand, parkedRuns, failedRuns, heartbeatAge } = await observeDemand(client, version);
      for (const Pool of POOLS) {
        metrics.set('demand', demand[Pool], { Pool });
        // In CloudWatch a metric without values is no time series, and an expression with it has no value either. GPU workers add 1
        // each to this 0.
        for (const Capacity of CAPACITIES) metrics.set('workers', 0, { Pool, Capacity });
      }
      metrics.set('parked_runs', parkedRuns);
      metrics.set('runs_failed', failedRuns);
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
