/** A run: rounds, one after the other, each starting from the last accepted policy. */
import { defineQuery, executeChild, setHandler, workflowInfo } from '@temporalio/workflow';
import { control } from './activities.ts';
import { answerHeldOut, type Answers } from './answers.ts';
import type { RunConfig } from './config.ts';
import { round as roundWorkflow, roundWorkflowId } from './round.ts';
import type { RunStatus } from './status.ts';

export const runStatusQuery = defineQuery<RunStatus>('status');

/** @returns the run's last status, its results in it */
export async function alignment(config: RunConfig): Promise<RunStatus> {
  const { workflowId } = workflowInfo();
  const status: RunStatus = { name: config.name, rounds: config.rounds, state: 'preparing', results: [] };
  setHandler(runStatusQuery, () => status);

  const { model, adapter, prompts, label, rounds, seed } = config;
  const prepared = await control.prepare({ model, adapter, prompts, label, rounds, seed });
  status.state = 'running';
  status.policy = prepared.policy;
  const start = await answerHeldOut(config, prepared.policy, prepared.heldOut, () => {});
  status.start = (await control.evaluate({ responses: start.responses, label, seed })).summary;

  let accepted: Answers = start;
  for (const [i, portion] of prepared.rounds.entries()) {
    const round = i + 1;
    status.round = round;
    const { result, answers } = await executeChild(roundWorkflow, {
      workflowId: roundWorkflowId(workflowId, round),
      args: [{ config, round, prompts: portion, heldOut: prepared.heldOut, start, previous: accepted }],
    });
    if (result.accepted) accepted = answers;
    status.results.push(result);
    status.policy = accepted.policy;
  }

  if (config.output !== undefined) {
    status.state = 'publishing';
    const lineage = { run: config.name, results: status.results };
    await control.publish({ policy: accepted.policy, folder: config.output, lineage });
  }
  status.state = 'done';
  return status;
}
