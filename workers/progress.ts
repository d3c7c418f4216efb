/** The progress of a run in detail: its status, its round's, and its activities'. */
import { WorkflowNotFoundError, type Client, type WorkflowHandle } from '@temporalio/client';
import { decodeOptionalFailureToOptionalError } from '@temporalio/common/lib/internal-non-workflow/index.js';
import type { Progress } from '../engine/protocol/jobs.ts';
import { runStatusQuery } from '../workflows/alignment.ts';
import { roundWorkflowId } from '../workflows/ids.ts';
import { roundStatusQuery } from '../workflows/round-steps.ts';
import type { RoundStatus, RunStatus } from '../workflows/status.ts';
import { decodePayload } from './payloads.ts';
import { queryRun, type RunHandle } from './runs.ts';

/** An activity that runs or waits for a retry. */
export interface PendingActivity {
  id: string;
  name: string;
  attempt: number;
  progress?: Progress;
  /** Why the last attempt failed. */
  lastFailure?: string;
}

export interface RunProgress {
  status: RunStatus;
  round?: RoundStatus;
  pending: PendingActivity[];
}

/** Reads the progress of a run: its status, its round's status, and the activities' heartbeats. */
export async function readProgress(client: Client, handle: RunHandle): Promise<RunProgress> {
  const status = await queryRun(handle, runStatusQuery);
  const pending = await pendingActivities(client, handle);
  if (status.round === undefined || !['running', 'parked', 'paused'].includes(status.state)) return { status, pending };
  const child = client.workflow.getHandle(roundWorkflowId(handle.workflowId, status.round));
  try {
    return { status, round: await child.query(roundStatusQuery), pending };
  } catch (error) {
    // The run's status names the round before the round's workflow has started.
    if (error instanceof WorkflowNotFoundError) return { status, pending };
    throw error;
  }
}

/** The pending activities of a workflow and of its running child workflows. */
async function pendingActivities(client: Client, handle: WorkflowHandle): Promise<PendingActivity[]> {
  const { raw } = await handle.describe();
  const own = await Promise.all(
    (raw.pendingActivities ?? []).map(async ({ activityId, activityType, attempt, heartbeatDetails, lastFailure }) => {
      const reported = await decodePayload<Partial<Progress>>(client, heartbeatDetails?.payloads?.[0]);
      // Heartbeats contain only the time until there is progress.
      const progress = reported?.total === undefined ? undefined : (reported as Progress);
      const error = await decodeOptionalFailureToOptionalError(client.options.loadedDataConverter, lastFailure);
      return {
        id: `${handle.workflowId} ${activityId}`,
        name: activityType?.name ?? '',
        attempt: attempt ?? 1,
        ...(progress && { progress }),
        ...(error && { lastFailure: error.message }),
      };
    }),
  );
  const children = (raw.pendingChildren ?? []).map(({ workflowId }) => client.workflow.getHandle(workflowId!));
  const below = await Promise.all(children.map((child) => pendingActivities(client, child)));
  return [...own, ...below.flat()];
}
