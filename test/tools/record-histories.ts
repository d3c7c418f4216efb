/**
 * `npx tsx test/tools/record-histories.ts SUFFIX`: records histories for test/workflows/replay.test.ts, on Temporal's dev server, with
 * stand-ins for the activities. Histories of earlier versions are kept: use a new suffix when workflows have new commands.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { decide, retryRun } from '../../workers/runs/decisions.ts';
import { startRun } from '../../workers/runs/runs.ts';
import { findTemporal } from '../../workers/dev-server/temporal-binary.ts';
import { runStatusQuery } from '../../workflows/alignment.ts';
import { pauseUpdate, resumeUpdate, skipUpdate } from '../../workflows/decisions.ts';
import { SEARCH_ATTRIBUTES } from '../../workflows/search-attributes.ts';
import type { RunStatus } from '../../workflows/status.ts';
import { answer, openedVoting } from '../voters.ts';
import {
  badInput,
  bundleWorkflows,
  silenceTemporal,
  StandIns,
  testConfig,
  withWorkers,
} from '../workflows/stand-ins.ts';
import { recordHistory } from './record-history.ts';

const suffix = process.argv[2];
if (suffix === undefined) throw new Error('Give a suffix for the names of the files.');
silenceTemporal();
const executable = { type: 'existing-path', path: await findTemporal(console.error) } as const;
const environment = await TestWorkflowEnvironment.createLocal({
  server: { executable, searchAttributes: SEARCH_ATTRIBUTES },
});
const { client } = environment;
const bundle = await bundleWorkflows();

const record = (file: string, workflowId: string, runId?: string) =>
  recordHistory(client, `${file}-${suffix}`, workflowId, runId);

/** A run with a failed round that is retried, a pause within a round, a skipped round, and two executions. */
async function recordRun() {
  const standIns = new StandIns();
  let pause: (() => Promise<void>) | undefined;
  standIns.before.prefer = async (times) => {
    if (times === 1 || times === 5) throw badInput('None of the 8 prompts got a preference.');
    if (times === 3) await pause?.();
  };
  await withWorkers({ environment, bundle }, standIns, async () => {
    const config = testConfig({ name: 'recorded', rounds: 12, output: '/policy' });
    const { handle } = await startRun(client, config);
    const first = (await handle.describe()).runId;
    const until = async (state: RunStatus['state']) => {
      while ((await handle.query(runStatusQuery)).state !== state) await sleep(50);
    };
    pause = () => decide(client, config.name, pauseUpdate);

    await until('parked');
    await record('round-failed', `${handle.workflowId}/round-1`);
    await retryRun(client, config.name, { settings: { 'optimize.learningRate': 1e-4 } });
    await until('paused');
    await record('round-halted', `${handle.workflowId}/round-2`);
    await decide(client, config.name, resumeUpdate);
    await until('parked');
    await decide(client, config.name, skipUpdate);
    await handle.result();
    await record('round', `${handle.workflowId}/round-4`);
    await record('alignment-continued', handle.workflowId, first);
    await record('alignment', handle.workflowId);
  });
}

/** The second of the two blocks of a round that samples in many shards. */
async function recordBlock() {
  await withWorkers({ environment, bundle }, new StandIns(260), async () => {
    const { handle } = await startRun(client, testConfig({ name: 'blocks', rounds: 1, sample: { shardSize: 1 } }));
    await handle.result();
    const { events } = await client.workflow.getHandle(`${handle.workflowId}/round-1`).fetchHistory();
    const initiated = (events ?? []).flatMap(
      (event) => event.startChildWorkflowExecutionInitiatedEventAttributes ?? [],
    );
    await record('shard-block', initiated[1].workflowId!);
  });
}

/** A round that people label, paused in the middle, and its block. */
async function recordVoting() {
  await withWorkers({ environment, bundle }, new StandIns(), async () => {
    const label = { by: 'people', votes: 12, overlap: 0 };
    const config = testConfig({ name: 'asked', rounds: 1, label, evaluate: { labeler: { by: 'verifier' } } });
    const { handle } = await startRun(client, config);
    const { blocks } = await openedVoting(client, config.name, 1);
    await answer(client, await openedVoting(client, config.name, 1), 'ann', 5);
    await decide(client, config.name, pauseUpdate);
    while ((await handle.query(runStatusQuery)).state !== 'paused') await sleep(50);
    await record('round-voting-halted', `${handle.workflowId}/round-1`);
    await decide(client, config.name, resumeUpdate);
    await answer(client, await openedVoting(client, config.name, 1), 'ben');
    await handle.result();
    await record('round-voting', `${handle.workflowId}/round-1`);
    await record('alignment-voting', handle.workflowId);
    await record('vote-block', blocks[0]);
  });
}

try {
  await recordRun();
  await recordBlock();
  await recordVoting();
} finally {
  await environment.teardown();
}
