/** Sends operators' decisions to a run in progress. */
import {
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
  type Client,
} from '@temporalio/client';
import type { UpdateDefinition } from '@temporalio/common';
import { InputError } from '../../data/errors.ts';
import { configQuery, runStatusQuery } from '../../workflows/alignment.ts';
import { checkSettings } from '../../config/set.ts';
import { retryUpdate, type DecisionRequest, type RetryRequest } from '../../workflows/decisions.ts';
import { RunUnanswered } from '../temporal/errors.ts';
import { findRun, queryRun } from './runs.ts';

const ANSWER_SECONDS = 30;

/**
 * Sends an update to a run.
 * @param request with the person who decides
 * @throws InputError when there is no such run, it has ended, or it rejects the decision
 */
export async function decide<Request extends DecisionRequest>(
  client: Client,
  name: string,
  update: UpdateDefinition<void, [Request]>,
  request = {} as Request,
): Promise<void> {
  const handle = await findRun(client, name);
  const deadline = Date.now() + ANSWER_SECONDS * 1000;
  try {
    await client.withDeadline(deadline, async () => {
      // A run that an earlier version of selm parked accepts a decision only after its worker has replayed the run.
      await queryRun(handle, runStatusQuery);
      await handle.executeUpdate<void, [Request]>(update.name, { args: [request] });
    });
  } catch (error) {
    if (error instanceof WorkflowUpdateFailedError) throw new InputError(error.cause?.message ?? error.message);
    if (error instanceof WorkflowNotFoundError)
      throw new InputError(`Run "${name}" has ended; selm run starts it again.`);
    if (!(error instanceof WorkflowUpdateRPCTimeoutOrCancelledError)) throw error;
    throw new RunUnanswered(name, error);
  }
}

/**
 * Retries what failed, or everything from `request.round` on.
 * @param filesAreHere whether the workers run on this machine. If so, the files that the settings name must exist
 * @throws InputError as `decide`, and when a setting is not valid
 */
export async function retryRun(
  client: Client,
  name: string,
  request: RetryRequest = {},
  filesAreHere = false,
): Promise<void> {
  const { round, settings } = request;
  const handle = await findRun(client, name);
  const checked = settings && checkSettings(await queryRun(handle, configQuery, round), settings, filesAreHere);
  await decide(client, name, retryUpdate, { ...request, ...(checked && { settings: checked }) });
}
