/** The progress of a run in detail: its status, its round's, and its activities'. */
import {
  WorkflowNotFoundError,
  type Client,
  type WorkflowExecutionDescription,
  type WorkflowHandle,
} from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { decodeOptionalFailureToOptionalError } from '@temporalio/common/lib/internal-non-workflow/index.js';
import type { Losses } from '../../activities/loss-curve.ts';
import type { Resumed } from '../../activities/resumed.ts';
import { JobAborted } from '../../engine/protocol/errors.ts';
import type { Progress } from '../../engine/protocol/jobs.ts';
import { runStatusQuery } from '../../workflows/alignment.ts';
import { blockWorkflowId, roundWorkflowId } from '../../workflows/ids.ts';
import { roundStatusQuery } from '../../workflows/round-steps.ts';
import type { RoundStatus, RunStatus } from '../../workflows/status.ts';
import type { VotingView } from '../../report/voting.ts';
import { decodePayload } from '../temporal/payloads.ts';
import { queryRun, type RunHandle } from './runs.ts';
import { progressOf } from '../voting/voting-progress.ts';

/** An activity that runs or waits for a retry. */
export interface PendingActivity {
  id: string;
  name: string;
  attempt: number;
  progress?: Progress & Resumed & Losses;
  /** The task queue on which it waits for a worker. Absent while it runs, and while it waits for a retry. */
  waitsOn?: string;
  /** Why the last attempt failed. */
  lastFailure?: string;
}

export interface RunProgress {
  status: RunStatus;
  round?: RoundStatus;
  /** How far the voting of the round is, while it waits for people's votes. */
  voting?: VotingView;
  pending: PendingActivity[];
}

/** Reads the progress of a run: its status, its round's status, and the activities' heartbeats. */
export async function readProgress(client: Client, handle: RunHandle): Promise<RunProgress> {
  const status = await queryRun(handle, runStatusQuery);
  const pending = await pendingActivities(client, handle);
  if (status.round === undefined || !['running', 'parked', 'paused'].includes(status.state)) return { status, pending };
  const child = client.workflow.getHandle(roundWorkflowId(handle.workflowId, status.round));
  try {
    const round = await child.query(roundStatusQuery);
    return { status, round, ...(await readVoting(client, handle, round)), pending };
  } catch (error) {
    // The run's status names the round before the round's workflow has started.
    if (error instanceof WorkflowNotFoundError) return { status, pending };
    throw error;
  }
}

async function readVoting(
  client: Client,
  { workflowId }: RunHandle,
  { voting }: RoundStatus,
): Promise<Pick<RunProgress, 'voting'>> {
  if (!voting) return {};
  const { questions, blocks: count, deadline, closing } = voting;
  const blocks = Array.from({ length: count }, (_, i) => blockWorkflowId(workflowId, questions, i + 1));
  const progress = await progressOf(client, { blocks });
  return { voting: { ...progress, ...(deadline !== undefined && { deadline }), ...(closing && { closing }) } };
}

type Activity = NonNullable<WorkflowExecutionDescription['raw']['pendingActivities']>[number];

/** temporal.api.enums.v1.PendingActivityState */
const SCHEDULED = 1;

function waitsOn({ state, nextAttemptScheduleTime, activityOptions }: Activity): { waitsOn?: string } {
  const queue = activityOptions?.taskQueue?.name;
  return state === SCHEDULED && !nextAttemptScheduleTime && queue ? { waitsOn: queue } : {};
}

/** Types of the failures of an activity whose worker was stopped: Temporal's, and the engine's. It goes on at its last checkpoint. */
const STOPPED = ['WorkerShutdown', JobAborted.name];

const wasStopped = (error: unknown) => error instanceof ApplicationFailure && STOPPED.includes(error.type ?? '');

/** The pending activities of a workflow and of its running child workflows. */
async function pendingActivities(client: Client, handle: WorkflowHandle): Promise<PendingActivity[]> {
  const { raw } = await handle.describe();
  const own = await Promise.all(
    (raw.pendingActivities ?? []).map(async (activity) => {
      const { activityId, activityType, attempt, heartbeatDetails, lastFailure } = activity;
      const reported = await decodePayload<Partial<Progress>>(client, heartbeatDetails?.payloads?.[0]);
      // Heartbeats contain only the time until there is progress.
      const progress = reported?.total === undefined ? undefined : (reported as Progress & Resumed & Losses);
      const error = await decodeOptionalFailureToOptionalError(client.options.loadedDataConverter, lastFailure);
      return {
        id: `${handle.workflowId} ${activityId}`,
        name: activityType?.name ?? '',
        attempt: attempt ?? 1,
        ...(progress && { progress }),
        ...waitsOn(activity),
        ...(error && !wasStopped(error) && { lastFailure: error.message }),
      };
    }),
  );
  const children = (raw.pendingChildren ?? []).map(({ workflowId }) => client.workflow.getHandle(workflowId!));
  const below = await Promise.all(
    children.map((child) =>
      pendingActivities(client, child).catch((error: unknown): PendingActivity[] => {
        // The server lists a child before it has started.
        if (error instanceof WorkflowNotFoundError) return [];
        throw error;
      }),
    ),
  );
  return [...own, ...below.flat()];
}
