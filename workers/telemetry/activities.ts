/** What workers tell of their activities: an event when one ends, its duration, and while one runs that the machine is needed. */
import type { Context } from '@temporalio/activity';
import type { ActivityInboundCallsInterceptor, ActivityInterceptors, Logger } from '@temporalio/worker';
import { runNameOf } from '../../workflows/ids.ts';
import type { Metrics } from './metrics.ts';

export interface Watchers {
  logger: Logger;
  metrics: Metrics;
  /** Told when an activity begins; what it returns is called when that ends. */
  begin?: () => () => void;
}

/** An interceptor for workers. */
export const watchActivities =
  ({ logger, metrics, begin }: Watchers) =>
  (context: Context): ActivityInterceptors => ({
    inbound: {
      async execute(input, next) {
        const end = begin?.();
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
          end?.();
        }
      },
    } satisfies ActivityInboundCallsInterceptor,
  });

/** Which run, round and step an activity is of. A block of shards has a workflow without a name: its activities tell their step. */
function placeOf({ info }: Context, [, place]: unknown[]) {
  const { activityType, attempt, workflowExecution } = info;
  const workflowId = workflowExecution?.workflowId ?? '';
  const [run, round] = runNameOf(workflowId).split('/round-');
  const { step = activityType } = Object(place) as { step?: string };
  return {
    run,
    ...(round !== undefined && { round: Number.parseInt(round, 10) }),
    step,
    activity: activityType,
    attempt,
    workflowId,
  };
}
