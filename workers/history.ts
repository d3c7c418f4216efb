/** What Temporal's histories tell of a run: how it was configured, what it came to, and how long its steps took. */
import type { Client, WorkflowExecutionInfo } from '@temporalio/client';
import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import type { History } from '@temporalio/common/lib/proto-utils.js';
import { tsToMs, type Timestamp } from '@temporalio/common/lib/time.js';
import { InputError } from '../data/errors.ts';
import type { ActivityTime } from '../report/times.ts';
import { runStatusQuery, type alignment } from '../workflows/alignment.ts';
import type { RunConfig } from '../config/run.ts';
import { GPU_QUEUE } from '../workflows/queues.ts';
import type { RunStatus } from '../workflows/status.ts';
import { RunUnanswered } from './errors.ts';
import { findRun, type RunHandle } from './runs.ts';

export interface RunRecord {
  config: RunConfig;
  status: RunStatus;
  /** Of all executions of this run with the same configuration: one that was stopped and gone on with has several. */
  activities: ActivityTime[];
}

const ANSWER_SECONDS = 30;

/**
 * All that a server knows of a run. One that has ended needs no worker for this.
 * @param answerSeconds of a run in progress to tell where it is
 * @throws InputError when there is no such run, or it failed before it came to anything
 */
export async function readRecord(client: Client, name: string, answerSeconds = ANSWER_SECONDS): Promise<RunRecord> {
  const handle = await findRun(client, name);
  const history = await handle.fetchHistory();
  const [{ workflowExecutionStartedEventAttributes: started }] = history.events!;
  const config = fromPayload<RunConfig>(started!.input!.payloads![0]);
  const status = await readStatus(client, handle, history, name, answerSeconds);
  return { config, status, activities: await timesOf(client, handle) };
}

async function readStatus(
  client: Client,
  handle: RunHandle,
  { events }: History,
  name: string,
  answerSeconds: number,
): Promise<RunStatus> {
  const end = events!.at(-1)!;
  const completed = end.workflowExecutionCompletedEventAttributes;
  if (completed) return fromPayload<RunStatus>(completed.result!.payloads![0]);
  if (end.workflowExecutionFailedEventAttributes || end.workflowExecutionTerminatedEventAttributes) {
    throw new InputError(`Run "${name}" failed and has no results: selm run starts it again.`);
  }
  try {
    return await client.withDeadline(Date.now() + answerSeconds * 1000, () => handle.query(runStatusQuery));
  } catch (cause) {
    throw new RunUnanswered(name, cause);
  }
}

/** The activities of this run's executions, and of the workflows below them. */
async function timesOf(client: Client, handle: RunHandle): Promise<ActivityTime[]> {
  const { memo, runId } = await handle.describe();
  const sameRun = (execution: WorkflowExecutionInfo) =>
    execution.runId === runId ||
    (memo?.['fingerprint'] !== undefined && execution.memo?.['fingerprint'] === memo['fingerprint']);
  const times: ActivityTime[] = [];
  for await (const execution of client.workflow.list({ query: `WorkflowId = '${handle.workflowId}'` })) {
    if (sameRun(execution)) times.push(...(await activitiesOf(client, handle.workflowId, execution.runId)));
  }
  return times.sort((a, b) => a.scheduled - b.scheduled);
}

async function activitiesOf(
  client: Client,
  workflowId: string,
  runId: string,
  round?: number,
): Promise<ActivityTime[]> {
  const { events } = await client.workflow.getHandle<typeof alignment>(workflowId, runId).fetchHistory();
  const byId = new Map((events ?? []).map((event) => [Number(event.eventId), event]));
  const times: ActivityTime[] = [];
  for (const event of events ?? []) {
    const completed = event.activityTaskCompletedEventAttributes;
    if (completed) {
      const scheduled = byId.get(Number(completed.scheduledEventId))!;
      const { activityType, taskQueue } = scheduled.activityTaskScheduledEventAttributes!;
      times.push({
        ...(round !== undefined && { round }),
        name: activityType!.name!,
        model: taskQueue!.name === GPU_QUEUE,
        scheduled: milliseconds(scheduled),
        started: milliseconds(byId.get(Number(completed.startedEventId))!),
        ended: milliseconds(event),
      });
    }
    const child = event.childWorkflowExecutionStartedEventAttributes?.workflowExecution;
    if (child) {
      const number = /\/round-(\d+)$/.exec(child.workflowId!)?.[1];
      const below = number === undefined ? round : Number(number);
      times.push(...(await activitiesOf(client, child.workflowId!, child.runId!, below)));
    }
  }
  return times;
}

const milliseconds = ({ eventTime }: { eventTime?: Timestamp | null }) => tsToMs(eventTime);

const fromPayload = <T>(payload: Payload) => defaultPayloadConverter.fromPayload<T>(payload);
