/** Histories of runs with many rounds, and of rounds with many shards. The activities are stand-ins. */
import type { Client } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { expect, test } from 'vitest';
import { hashValue } from '../../artifacts/hash.ts';
import { startRun } from '../../workers/runs/runs.ts';
import { timeSkippingServer } from './server.ts';
import { StandIns, testConfig, withWorkers } from './stand-ins.ts';

const server = timeSkippingServer();

interface Size {
  events: number;
  bytes: number;
}

/** The history sizes of all executions of a workflow and of its descendants. */
async function historySizes(client: Client, workflowId: string, runId: string): Promise<Size[]> {
  const history = await client.workflow.getHandle(workflowId, runId).fetchHistory();
  const events = history.events ?? [];
  const own = { events: events.length, bytes: historyToJSON(history).length };
  const next = events.at(-1)?.workflowExecutionContinuedAsNewEventAttributes?.newExecutionRunId;
  const children = events.flatMap(({ childWorkflowExecutionStartedEventAttributes: started }) => {
    const execution = started?.workflowExecution;
    return execution ? [{ id: execution.workflowId!, run: execution.runId! }] : [];
  });
  const below = await Promise.all(
    [...children, ...(next ? [{ id: workflowId, run: next }] : [])].map(({ id, run }) => historySizes(client, id, run)),
  );
  return [own, ...below.flat()];
}

/** Runs until the run ends. @returns its status, and the sizes of its histories */
async function run(standIns: StandIns, changes: object) {
  const { client } = server.environment;
  return withWorkers(server, standIns, async () => {
    const { handle } = await startRun(client, testConfig(changes));
    const runId = (await handle.describe()).runId;
    const status = await handle.result();
    return { status, sizes: await historySizes(client, handle.workflowId, runId) };
  });
}

test('a run of many rounds goes on as new executions, whose histories stay small', async () => {
  const { status, sizes } = await run(new StandIns(), { name: 'rounds', rounds: 30 });
  expect(status.results.map(({ round }) => round)).toEqual(Array.from({ length: 30 }, (_, i) => i + 1));
  // Each execution does 12 stages: two before the first round, then the rounds.
  const executions = sizes.length - 30;
  expect(executions).toBe(3);
  expect(Math.max(...sizes.map(({ events }) => events))).toBeLessThan(400);
});

test('a step of 4,000 shards stays below 10,000 events and 5 MB in every execution', async () => {
  const standIns = new StandIns(4000);
  const { status, sizes } = await run(standIns, { name: 'shards', rounds: 1, sample: { shardSize: 1 } });
  expect(status.results).toHaveLength(1);
  const round = standIns.callsOf('sample').filter(({ prompts }) => prompts === hashValue('prompts of round 1'));
  expect(round).toHaveLength(4000);
  // Shards are in the order of the prompts, independent of the order in which they finished.
  const made = round.toSorted((a, b) => Number(a.from) - Number(b.from)).map((input) => hashValue(['sample', input]));
  expect(new Set(standIns.callsOf('label').map(({ responses }) => responses))).toEqual(new Set(made));
  const labels = made.map((responses) => hashValue(['label', { label: { by: 'verifier' }, threads: 2, responses }]));
  expect(standIns.callsOf('prefer')).toEqual([{ labels, truncated: 'keep' }]);
  expect(Math.max(...sizes.map(({ events }) => events))).toBeLessThan(10_000);
  expect(Math.max(...sizes.map(({ bytes }) => bytes))).toBeLessThan(5_000_000);
});
