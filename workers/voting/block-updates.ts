/** Sends updates to blocks of a voting: a few at a time to each block, again if Temporal does not answer, with plain errors. */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  isGrpcServiceError,
  ServiceError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
  type Client,
} from '@temporalio/client';
import { ApplicationFailure, NamespaceNotFoundError, type UpdateDefinition } from '@temporalio/common';
import pLimit, { type LimitFunction } from 'p-limit';
import { InputError } from '../../data/errors.ts';
import { NO_QUESTION, NOT_READY, VOTING_CLOSED } from '../../workflows/people/protocol.ts';
import { TemporalFailed } from '../temporal/errors.ts';

/** A block takes no answers any more, or has ended. */
export class VotingClosed extends InputError {}

/** No question of a block is left for a person. */
export class NoQuestion extends InputError {}

/** Below Temporal's limit of 10 updates in flight per workflow, since other processes may send updates as well. */
const IN_FLIGHT = 8;
/** Longer than a server or a worker takes to restart. */
const PATIENCE_SECONDS = 30;
const LONGEST_PAUSE = 1000;

/** By block, in the order of the requests. */
const queues = new Map<string, LimitFunction>();

/**
 * Sends an update to a block, or to another workflow. The same `updateId` again has no further effect, and returns the first result.
 * @param block its workflow id
 * @param patienceSeconds how long it may take, with its time in the queue
 * @throws InputError when the block refuses it: VotingClosed, NoQuestion or a plain one
 * @throws TemporalFailed when Temporal or its workers do not answer. The update may have been taken; it can be sent again
 */
export async function sendUpdate<Result, Request>(
  client: Client,
  block: string,
  update: UpdateDefinition<Result, [Request]>,
  request: Request,
  updateId: string,
  patienceSeconds = PATIENCE_SECONDS,
): Promise<Result> {
  const queue = queues.get(block) ?? pLimit(IN_FLIGHT);
  queues.set(block, queue);
  const deadline = Date.now() + patienceSeconds * 1000;
  const handle = client.workflow.getHandle(block);
  const attempt = () =>
    client.withDeadline(deadline, () => handle.executeUpdate<Result, [Request]>(update, { args: [request], updateId }));
  try {
    return await queue(() => persistently(attempt, deadline));
  } finally {
    if (queue.activeCount + queue.pendingCount === 0) queues.delete(block);
  }
}

async function persistently<T>(attempt: () => Promise<T>, deadline: number): Promise<T> {
  for (let pause = 50; ; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
    try {
      return await attempt();
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) throw new VotingClosed('The voting is closed.', { cause: error });
      const refused = refusalIn(error);
      if (refused && refused.type !== NOT_READY)
        throw new (REFUSALS[refused.type ?? ''] ?? InputError)(refused.message);
      if (!refused && !isTemporary(error)) throw error;
      if (Date.now() + pause >= deadline) {
        throw new TemporalFailed('Temporal does not answer, so this is not saved: try again.', { cause: error });
      }
      await sleep(pause);
    }
  }
}

/** Errors of refusals, by their type. */
const REFUSALS: Record<string, typeof InputError> = { [VOTING_CLOSED]: VotingClosed, [NO_QUESTION]: NoQuestion };

/** The refusal in the error of an update. */
const refusalIn = (error: unknown): ApplicationFailure | undefined =>
  error instanceof WorkflowUpdateFailedError && error.cause instanceof ApplicationFailure ? error.cause : undefined;

/** gRPC's status codes of a server that stops, starts or has too much to do, and of a workflow that continues as a new execution. */
const TEMPORARY = new Set([1, 2, 4, 8, 10, 13, 14]);

function isTemporary(error: unknown): boolean {
  if (error instanceof WorkflowUpdateRPCTimeoutOrCancelledError) return true;
  // A server that has just started.
  if (error instanceof NamespaceNotFoundError) return true;
  return error instanceof ServiceError && isGrpcServiceError(error.cause) && TEMPORARY.has(error.cause.code);
}
