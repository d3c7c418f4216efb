/** How long activities have worked, over all their attempts: what a run pays for. */
import { ApplicationFailure, type Context } from '@temporalio/activity';

/** In results, heartbeats, and the details of failures. It is no part of an artifact. */
export interface Spent {
  seconds: number;
}

/** Counts from where the attempt before has left off, as its last heartbeat tells. */
export function startCount({ info }: Context): () => Spent {
  const before = (info.heartbeatDetails as Partial<Spent> | undefined)?.seconds ?? 0;
  const started = performance.now();
  return () => ({ seconds: Math.round(1000 * before + performance.now() - started) / 1000 });
}

/** An error as Temporal would have it, with what was spent. */
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
