/** Queries blocks of a voting. A block that has ended answers as well. */
import { ServiceError, type Client } from '@temporalio/client';
import type { QueryDefinition } from '@temporalio/common';
import { runIdOfBlock, runNameOf } from '../../workflows/ids.ts';
import { isUnanswered, RunUnanswered, TemporalFailed } from '../temporal/errors.ts';

/** A worker answers within this time, also while many people vote at once. Without one, Temporal's server would wait for longer. */
const ANSWER_SECONDS = 10;

/**
 * @param block its workflow id
 * @throws WorkflowNotFoundError when there is no such block, RunUnanswered when no worker answers, TemporalFailed when Temporal does not
 */
export async function queryBlock<Answer, Args extends unknown[]>(
  client: Client,
  block: string,
  query: QueryDefinition<Answer, Args>,
  ...args: Args
): Promise<Answer> {
  try {
    return await client.withDeadline(Date.now() + ANSWER_SECONDS * 1000, () =>
      client.workflow.getHandle(block).query(query, ...args),
    );
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    if (isUnanswered(error)) throw new RunUnanswered(runNameOf(runIdOfBlock(block)), error);
    throw new TemporalFailed('Temporal does not answer: try again.', { cause: error });
  }
}
