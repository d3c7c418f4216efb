/** Observes a worker's activities: logs their completion, records their durations, and marks the machine as busy while one runs. */
import type { Context } from '@temporalio/activity';
import type { ActivityInboundCallsInterceptor, ActivityInterceptors, Logger } from '@temporalio/worker';
import { runOfWorkflow } from '../../workflows/ids.ts';
import type { Place } from '../../workflows/place.ts';
import type { Metrics } from './metrics.ts';

export interface Watchers {
  logger: Logger;
  metrics: Metrics;
  /** Called when an activity starts. The returned functions are called when the activity ends. */
  begin: (() => () => void)[];
}

/** Creates an interceptor for workers. */
export const watchActivities =
  ({ logger, metrics, begin }: Watchers) =>
  (context: Context): ActivityInterceptors => ({
    inbound: {
      async execute(input, next) {
        const ends = begin.map((start) => start());
        const started = performance.now();
        const seconds = () => Math.round(performance.now() - started) / 1000;
        const place = placeOf(context, input.args);
        try {
          const result = await next(input);
          const { reused } = Object(result) as { reused?: boolean };
          if (!reused) metrics.record('activity_seconds', seconds());
          logger.info('activity completed', { ...place, seconds: seconds(), ...(reused !== undefined && { reused }) });
          return result;
        } catch (error) {
          const { name, message } = error as Error;
          logger.warn('activity failed', { ...place, seconds: seconds(), error: { type: name, message } });
          throw error;
        } finally {
          ends.forEach((end) => end());
        }
      },
    } satisfies ActivityInboundCallsInterceptor,
  });

/** The run, round and step of an activity. Round and step are its second argument (workflows/activities.ts). */
function placeOf({ info }: Context, [, place]: unknown[]) {
  const { activityType, attempt, workflowExecution } = info;
  const workflowId = workflowExecution?.workflowId ?? '';
  const { round, step = activityType } = Object(place) as Partial<Place>;
  return {
    run: runOfWorkflow(workflowId),
    ...(round !== undefined && { round }),
    step,
    activity: activityType,
    attempt,
    workflowId,
  };
}
