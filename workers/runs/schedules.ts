/** Schedules: start runs at given times, each from the last release of its name. */
import {
  ScheduleAlreadyRunning,
  ScheduleNotFoundError,
  ScheduleOverlapPolicy,
  type Client,
  type ScheduleHandle,
} from '@temporalio/client';
import { InputError } from '../../data/errors.ts';
import { alignment } from '../../workflows/alignment.ts';
import type { Calendar } from '../../config/schedule.ts';
import type { RunConfig } from '../../config/run.ts';
import { newJournal } from '../../workflows/journal.ts';
import { runNameOf, runWorkflowId } from '../../workflows/ids.ts';
import { CONTROL_QUEUE } from '../../workflows/queues.ts';
import { summaryOfRun } from './runs.ts';
import { withAttributes } from '../temporal/search-attributes.ts';

const POLICIES: Record<Calendar['overlap'], ScheduleOverlapPolicy> = {
  skip: ScheduleOverlapPolicy.SKIP,
  'buffer-one': ScheduleOverlapPolicy.BUFFER_ONE,
  'buffer-all': ScheduleOverlapPolicy.BUFFER_ALL,
};

export interface ScheduleSummary {
  name: string;
  paused: boolean;
  next?: Date;
  /** The name of the last run that the schedule started. */
  lastRun?: string;
}

export const SCHEDULE_PREFIX = 'selm-schedule-';
/** The schedule id for a run's name. */
export const scheduleId = (name: string) => `${SCHEDULE_PREFIX}${name}`;

/** A schedule's action and calendar. */
const scheduleOf = (config: RunConfig, { cron, timezone, overlap }: Calendar) => ({
  spec: { cronExpressions: [cron], timezone },
  policies: { overlap: POLICIES[overlap] },
  action: {
    type: 'startWorkflow' as const,
    workflowType: alignment,
    // The server appends the start time.
    workflowId: runWorkflowId(config.name),
    taskQueue: CONTROL_QUEUE,
    args: [config, newJournal(true)] as Parameters<typeof alignment>,
    staticSummary: summaryOfRun(config),
  },
});

/** Creates a schedule. @throws InputError when there is a schedule of that name, or the server rejects the calendar */
export async function createSchedule(
  client: Client,
  config: RunConfig,
  calendar: Calendar,
  memo?: Record<string, unknown>,
  paused = false,
): Promise<void> {
  const { cron, timezone } = calendar;
  try {
    const { action, ...schedule } = scheduleOf(config, calendar);
    await withAttributes(client, config.name, (attributes) =>
      client.schedule.create({
        scheduleId: scheduleId(config.name),
        ...schedule,
        action: { ...action, ...attributes },
        ...(memo && { memo }),
        state: { paused },
      }),
    );
  } catch (error) {
    if (error instanceof ScheduleAlreadyRunning) {
      throw new InputError(`There is a schedule named "${config.name}": delete it first.`);
    }
    // The client throws this error for a calendar that the server rejects.
    if (!(error instanceof TypeError)) throw error;
    throw new InputError(`The schedule is not valid: ${error.message} (--cron ${cron}, --timezone ${timezone}).`);
  }
}

/** Lists all schedules of the client's namespace that start runs. */
export async function listSchedules(client: Client): Promise<ScheduleSummary[]> {
  const summaries: ScheduleSummary[] = [];
  for await (const { scheduleId: id, state, info } of client.schedule.list()) {
    if (!id.startsWith(SCHEDULE_PREFIX)) continue;
    const [next] = info?.nextActionTimes ?? [];
    const last = info?.recentActions.at(-1)?.action.workflow.workflowId;
    summaries.push({
      name: id.slice(SCHEDULE_PREFIX.length),
      paused: state.paused,
      ...(next && { next }),
      ...(last !== undefined && { lastRun: runNameOf(last) }),
    });
  }
  return summaries;
}

/** Applies `act` to a schedule. @throws InputError when there is no schedule of that name */
export async function withSchedule(
  client: Client,
  name: string,
  act: (schedule: ScheduleHandle) => Promise<void>,
): Promise<void> {
  try {
    await act(client.schedule.getHandle(scheduleId(name)));
  } catch (error) {
    if (error instanceof ScheduleNotFoundError) throw new InputError(`There is no schedule named "${name}".`);
    throw error;
  }
}
