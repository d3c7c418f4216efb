/** Which task queue the activities of a run go to. The activities are stand-ins. */
import type { Client } from '@temporalio/client';
import { expect, test } from 'vitest';
import { retryRun } from '../../workers/runs/decisions.ts';
import { startRun } from '../../workers/runs/runs.ts';
import { runStatusQuery } from '../../workflows/alignment.ts';
import { CONTROL_QUEUE, MODEL_QUEUES } from '../../workflows/queues.ts';
import { devServer } from './server.ts';
import { badInput, StandIns, testConfig, withWorkers } from './stand-ins.ts';

const server = devServer();

/** The activities of a workflow and its descendants: `name @ task queue`, each once, with the fairness keys. */
async function scheduled(client: Client, workflowId: string, runId?: string): Promise<string[]> {
  const { events } = await client.workflow.getHandle(workflowId, runId).fetchHistory();
  const own = events!.flatMap(({ activityTaskScheduledEventAttributes: activity }) =>
    activity
      ? [`${activity.activityType!.name} @ ${activity.taskQueue!.name} for ${activity.priority!.fairnessKey}`]
      : [],
  );
  const children = events!.flatMap(
    ({ childWorkflowExecutionStartedEventAttributes: started }) => started?.workflowExecution ?? [],
  );
  const below = await Promise.all(children.map((child) => scheduled(client, child.workflowId!, child.runId!)));
  return [...new Set([...own, ...below.flat()])].sort();
}

/** Runs until the run ends, with workers of one pool. @returns its activities */
async function activitiesOf(changes: { name: string }, taskQueue: string, standIns = new StandIns()) {
  const { client } = server.environment;
  return withWorkers(
    server,
    standIns,
    async () => {
      const { handle } = await startRun(client, testConfig({ rounds: 1, ...changes }));
      await handle.result();
      return scheduled(client, handle.workflowId);
    },
    { taskQueue },
  );
}

const MODEL_STEPS = ['divergence', 'optimize', 'reference', 'sample'];
const CONTROL_STEPS = ['evaluate', 'prefer', 'prepare', 'release'];
const LABELS = ['label', 'labelHeldOut'];
const expected = (
  name: string,
  modelSteps: string[],
  modelQueue: string,
  controlSteps = [...CONTROL_STEPS, ...LABELS],
) =>
  [
    ...modelSteps.map((step) => `${step} @ ${modelQueue} for ${name}`),
    ...controlSteps.map((step) => `${step} @ ${CONTROL_QUEUE} for ${name}`),
  ].sort();

test('a run that computes with one GPU, or on the CPU, goes to the pool single', async () => {
  const steps = await activitiesOf({ name: 'one' }, MODEL_QUEUES.single);
  expect(steps).toEqual(expected('one', MODEL_STEPS, 'selm-gpu'));
});

test('a run with several GPUs goes to the pool node, a reward model and blocks of shards included', async () => {
  const several = { backend: 'torch', device: 'cuda', gpus: 8, sample: { shardSize: 1 } };
  const label = { by: 'reward-model', model: 'org/reward' };
  const steps = await activitiesOf(
    { name: 'several', ...several, label } as never,
    MODEL_QUEUES.node,
    new StandIns(300),
  );
  expect(steps).toEqual(expected('several', [...MODEL_STEPS, ...LABELS], 'selm-node', CONTROL_STEPS));
});

test('workers: names the pool, and an operator can move a run to another', async () => {
  const steps = await activitiesOf({ name: 'named', workers: 'node' } as never, MODEL_QUEUES.node);
  expect(steps).toEqual(expected('named', MODEL_STEPS, 'selm-node'));

  const { client } = server.environment;
  const standIns = new StandIns();
  standIns.before.optimize = (times) => {
    if (times === 1) throw badInput('it does not fit');
  };
  const handle = await withWorkers(server, standIns, async () => {
    const { handle: run } = await startRun(client, testConfig({ name: 'moved', rounds: 1 }));
    await expect.poll(async () => (await run.query(runStatusQuery)).state).toBe('parked');
    return run;
  });
  await withWorkers(
    server,
    standIns,
    async () => {
      await retryRun(client, 'moved', { settings: { workers: 'node' } });
      await handle.result();
    },
    { taskQueue: MODEL_QUEUES.node },
  );
  expect(await scheduled(client, handle.workflowId)).toContain('optimize @ selm-node for moved');
});
