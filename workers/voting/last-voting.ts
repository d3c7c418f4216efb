/**
 * The last voting of a run, from its blocks: while people vote, when the run has parked, and while the round goes on with the votes. And
 * that of a file.
 */
import type { Client, WorkflowExecutionInfo } from '@temporalio/client';
import type { Address } from '../../artifacts/manifest.ts';
import { runWorkflowId } from '../../workflows/ids.ts';
import type { voteBlock } from '../../workflows/people/block.ts';

/** The blocks of a round's questions. */
export interface LastVoting {
  /** 1 for a file. */
  round: number;
  /** Workflow ids. */
  blocks: string[];
  /** The artifacts, if the votes of all blocks are stored. */
  stored?: { questions: Address; votes: Address[] };
}

/**
 * The voting that a run or the file of `selm label --by people` has begun last.
 * @param run the name of the run, or of the file's voting
 * @returns undefined if nobody has been asked
 */
export async function lastVoting(client: Client, run: string): Promise<LastVoting | undefined> {
  const prefix = `${runWorkflowId(run)}/votes-`;
  const executions = new Map<string, WorkflowExecutionInfo>();
  // Latest first. A block that has ended may have been started again.
  for await (const info of client.workflow.list({ query: `WorkflowId STARTS_WITH '${prefix}'` })) {
    if (!executions.has(info.workflowId)) executions.set(info.workflowId, info);
  }
  const [last] = executions.values();
  if (last === undefined) return undefined;
  // No round has started the blocks of a file.
  const [, round = 1] = /\/round-(\d+)$/.exec(last.parentExecution?.workflowId ?? '') ?? [];
  const ofQuestions = last.workflowId.slice(0, last.workflowId.lastIndexOf('-') + 1);
  const blocks = [...executions.values()].filter(({ workflowId }) => workflowId.startsWith(ofQuestions));
  const found = { round: Number(round), blocks: blocks.map(({ workflowId }) => workflowId) };
  if (blocks.some(({ status }) => status.name !== 'COMPLETED')) return found;
  const results = await Promise.all(
    blocks.map(({ workflowId, runId }) => client.workflow.getHandle<typeof voteBlock>(workflowId, runId).result()),
  );
  const inOrder = results.toSorted((a, b) => a.block - b.block);
  return { ...found, stored: { questions: inOrder[0].questions, votes: inOrder.map(({ votes }) => votes) } };
}
