/** Runs as seen from outside: started or found again, watched, and their results. */
import { randomUUID } from 'node:crypto';
import { WorkflowFailedError, WorkflowNotFoundError, type Client, type WorkflowHandle } from '@temporalio/client';
import {
  ApplicationFailure,
  defaultPayloadConverter,
  WorkflowIdConflictPolicy,
  type QueryDefinition,
} from '@temporalio/common';
import { hashValue } from '../artifacts/hash.ts';
import { InputError } from '../data/errors.ts';
import type { Progress } from '../engine/protocol/jobs.ts';
import { alignment, runStatusQuery } from '../workflows/alignment.ts';
import { differencesOf } from '../config/changes.ts';
import type { RunConfig } from '../config/run.ts';
import { CONTROL_QUEUE } from '../workflows/queues.ts';
import { roundWorkflowId, runNameOf, runWorkflowId } from '../workflows/ids.ts';
import { roundStatusQuery } from '../workflows/round.ts';
import type { RoundStatus, RunStatus } from '../workflows/status.ts';
import { isUnanswered, RunDiffers, RunUnanswered } from './errors.ts';
import { configInForce } from './run-config.ts';

export type RunHandle = WorkflowHandle<typeof alignment>;

/**
 * Starts a run, or attaches to the one of its name that is in progress. A finished run of that name is run again: all that
 * has not changed is found made.
 * @param restart ends the one in progress instead
 * @throws RunDiffers when the run in progress has another configuration, changes of operators included
 */
export async function startRun(
  client: Client,
  config: RunConfig,
  restart = false,
): Promise<{ handle: RunHandle; attached: boolean }> {
  const fingerprint = hashValue(config);
  const starter = randomUUID();
  if (restart) await endRun(client, config.name);
  const handle = await client.workflow.start(alignment, {
    workflowId: runWorkflowId(config.name),
    taskQueue: CONTROL_QUEUE,
    args: [config],
    workflowIdConflictPolicy: WorkflowIdConflictPolicy.USE_EXISTING,
    memo: { fingerprint, starter },
  });
  const { memo } = await handle.describe();
  if (memo?.['fingerprint'] !== fingerprint) {
    const differences = differencesOf(await configInForce(handle), config);
    if (differences.length > 0) throw new RunDiffers(config.name, differences);
  }
  return { handle, attached: memo?.['starter'] !== starter };
}

/** Ends the run of this name, and its round, where one is in progress. What it has made stays. */
async function endRun(client: Client, name: string): Promise<void> {
  const handle = client.workflow.getHandle(runWorkflowId(name));
  try {
    const { raw } = await handle.describe();
    await handle.terminate('restarted with selm run --restart');
    // The server ends it later by itself, and until then its name is taken.
    for (const { workflowId } of raw.pendingChildren ?? []) await client.workflow.getHandle(workflowId!).terminate();
  } catch (error) {
    // It has ended.
    if (!(error instanceof WorkflowNotFoundError)) throw error;
  }
}

/** @throws InputError when there is no run of that name */
export async function findRun(client: Client, name: string): Promise<RunHandle> {
  const handle = client.workflow.getHandle<typeof alignment>(runWorkflowId(name));
  try {
    await handle.describe();
    return handle;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) throw new InputError(`There is no run named "${name}".`);
    throw error;
  }
}

/** @throws RunUnanswered when no worker answers the query */
export async function queryRun<Answer, Args extends unknown[]>(
  handle: RunHandle,
  query: QueryDefinition<Answer, Args>,
  ...args: Args
): Promise<Answer> {
  try {
    return await handle.query(query, ...args);
  } catch (error) {
    throw isUnanswered(error) ? new RunUnanswered(runNameOf(handle.workflowId), error) : error;
  }
}

/** An activity that is under way or waits to be tried again. */
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

/** Where a run is: its own status, its round's, and what the activities' heartbeats tell. */
export async function readProgress(client: Client, handle: RunHandle): Promise<RunProgress> {
  const status = await queryRun(handle, runStatusQuery);
  const pending = await pendingActivities(client, handle);
  if (status.round === undefined || !['running', 'parked', 'paused'].includes(status.state)) return { status, pending };
  const child = client.workflow.getHandle(roundWorkflowId(handle.workflowId, status.round));
  try {
    return { status, round: await child.query(roundStatusQuery), pending };
  } catch (error) {
    // Between the parent's decision and the child's first task there is nobody to ask.
    if (error instanceof WorkflowNotFoundError) return { status, pending };
    throw error;
  }
}

/** The activities of a workflow and of the child workflows that it waits for. */
async function pendingActivities(client: Client, handle: WorkflowHandle): Promise<PendingActivity[]> {
  const { raw } = await handle.describe();
  const own = (raw.pendingActivities ?? []).map(
    ({ activityId, activityType, attempt, heartbeatDetails, lastFailure }) => {
      const [payload] = heartbeatDetails?.payloads ?? [];
      const told = payload ? defaultPayloadConverter.fromPayload<Partial<Progress> | undefined>(payload) : undefined;
      // Before there is progress, heartbeats tell the time alone.
      const progress = told?.total === undefined ? undefined : (told as Progress);
      return {
        id: `${handle.workflowId} ${activityId}`,
        name: activityType?.name ?? '',
        attempt: attempt ?? 1,
        ...(progress && { progress }),
        ...(lastFailure?.message && { lastFailure: lastFailure.message }),
      };
    },
  );
  const children = (raw.pendingChildren ?? []).map(({ workflowId }) => client.workflow.getHandle(workflowId!));
  const below = await Promise.all(children.map((child) => pendingActivities(client, child)));
  return [...own, ...below.flat()];
}

/** Why a run failed: what its activity said, without Temporal's wrapping. */
export function rootCause(error: unknown): unknown {
  if (!(error instanceof WorkflowFailedError)) return error;
  let cause = error.cause;
  while (cause?.cause instanceof Error) cause = cause.cause;
  const isInput = cause instanceof ApplicationFailure && cause.type === InputError.name;
  return isInput ? new InputError(cause!.message) : new Error(cause?.message ?? error.message);
}
