/** Reads a run from Temporal's histories: its configuration, its status, and the times of its activities. */
import type { Client, WorkflowExecutionInfo } from '@temporalio/client';
import type { History } from '@temporalio/common/lib/proto-utils.js';
import { tsToMs, type Timestamp } from '@temporalio/common/lib/time.js';
import { InputError } from '../../data/errors.ts';
import type { ActivityTime } from '../../report/times.ts';
import { runStatusQuery, type alignment } from '../../workflows/alignment.ts';
import type { RunConfig } from '../../config/run.ts';
import { placeIn, type Place } from '../../workflows/place.ts';
import { CONTROL_QUEUE } from '../../workflows/queues.ts';
import type { RunStatus } from '../../workflows/status.ts';
import { RunUnanswered } from '../temporal/errors.ts';
import { decodePayload } from '../temporal/payloads.ts';
import { findRun, type RunHandle } from './runs.ts';

export interface RunRecord {
  config: RunConfig;
  status: RunStatus;
  /** Activities of all executions of this run with the same configuration. A run that was stopped and restarted has several. */
  activities: ActivityTime[];
}

const ANSWER_SECONDS = 30;

/**
 * Reads everything that a server knows about a run. Only a run in progress needs a worker for this.
 * @param answerSeconds how long to wait for the status of a run in progress
 * @throws InputError when there is no such run, or it failed and has no results
 */
export async function readRecord(client: Client, name: string, answerSeconds = ANSWER_SECONDS): Promise<RunRecord> {
  const handle = await findRun(client, name);
  const history = await handle.fetchHistory();
  const [{ workflowExecutionStartedEventAttributes: started }] = history.events!;
  const config = (await decodePayload<RunConfig>(client, started!.input!.payloads![0]))!;
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
  if (completed) return (await decodePayload<RunStatus>(client, completed.result!.payloads![0]))!;
  if (end.workflowExecutionFailedEventAttributes || end.workflowExecutionTerminatedEventAttributes) {
    throw new InputError(`Run "${name}" failed and has no results: selm run starts it again.`);
  }
  try {
    return await client.withDeadline(Date.now() + answerSeconds * 1000, () => handle.query(runStatusQuery));
  } catch (cause) {
    throw new RunUnanswered(name, cause);
  }
}

/** The activities of this run's executions and of their child workflows. */
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
      const { round: itsRound = round, step } = await placeOf(client, scheduled);
      times.push({
        ...(itsRound !== undefined && { round: itsRound }),
        step,
        model: scheduled.activityTaskScheduledEventAttributes!.taskQueue!.name !== CONTROL_QUEUE,
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

type Event = NonNullable<History['events']>[number];

/** The step that an activity belongs to: from its summary, or from its second argument in histories of earlier versions. */
export async function placeOf(
  client: Pick<Client, 'options'>,
  { userMetadata, activityTaskScheduledEventAttributes }: Event,
): Promise<Place> {
  const place = placeIn((await decodePayload<string>(client, userMetadata?.summary)) ?? '');
  if (place) return place;
  const { activityType, input } = activityTaskScheduledEventAttributes!;
  const { step } = (await decodePayload<Partial<Place>>(client, input?.payloads?.[1])) ?? {};
  return { step: step ?? OUTSIDE_ROUNDS[activityType!.name!] ?? 'start' };
}

/** Steps outside of rounds by the activity's name. All other activities there measure the start policy. */
const OUTSIDE_ROUNDS: Record<string, Place['step']> = { prepare: 'prepare', publish: 'publish', release: 'release' };

const milliseconds = ({ eventTime }: { eventTime?: Timestamp | null }) => tsToMs(eventTime);
