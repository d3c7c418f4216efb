/** The working time of activities, over all attempts, for a run's budget and cost. */
import { ApplicationFailure, type Context } from '@temporalio/activity';

/** Reported in results, heartbeats and failure details, but not in artifacts. */
export interface Spent {
  seconds: number;
}

/** Starts counting from the value in the previous attempt's last heartbeat. */
export function startCount({ info }: Context): () => Spent {
  const before = (info.heartbeatDetails as Partial<Spent> | undefined)?.seconds ?? 0;
  const started = performance.now();
  return () => ({ seconds: Math.round(1000 * before + performance.now() - started) / 1000 });
}

/** An error as a Temporal failure, with the time spent in its details. */
export function spentFailure(error: unknown, spent: Spent, nonRetryable = false): ApplicationFailure {
  const { message, name, stack, cause } = error as Error;
  const failure = ApplicationFailure.create({
    message,
    type: name,
    nonRetryable,
    details: [spent],
    ...(cause instanceof Error && { cause }),
  });
  if (stack !== undefined) failure.stack = stack;
  return failure;
}
