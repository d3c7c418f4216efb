/** The demand for GPU workers and the state of runs, by which a deployment scales and raises alarms. */
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
  /** Activities of the engine that wait for a worker, wait to be retried, or run. */
  demand: number;
  parkedRuns: number;
  /** The longest time since the last heartbeat of a running activity of the engine, in seconds; 0 when none runs. */
  heartbeatAge: number;
}

/**
 * Looks at every workflow in progress. Temporal's backlog of a task queue leaves out what workers hold: at a backlog of nothing the
 * last shard may still be computed. A workflow's pending activities are both, and what waits to be tried again as well, each once,
 * whichever worker has it. One request a workflow: a run, its round, and two blocks of shards at most.
 * @param version only of workflows that stay with this version of a deployment, or with none
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
    // A run without a worker that answers for it is not known to be parked.
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
 * Publishes it every minute until `stop`, from the first moment on. Several control workers publish the same number: take the maximum.
 * While Temporal does not answer nothing is published, which is an alarm of its own.
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
