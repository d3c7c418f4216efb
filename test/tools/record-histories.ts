/**
 * `npx tsx test/tools/record-histories.ts SUFFIX`: records histories for test/workflows/replay.test.ts, on Temporal's dev server, with
 * stand-ins for the activities. Histories of earlier versions are kept: use a new suffix when workflows have new commands.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { decide, retryRun } from '../../workers/decisions.ts';
import { startRun } from '../../workers/runs.ts';
import { findTemporal } from '../../workers/temporal-binary.ts';
import { runStatusQuery } from '../../workflows/alignment.ts';
import { pauseUpdate, resumeUpdate, skipUpdate } from '../../workflows/decisions.ts';
import { SEARCH_ATTRIBUTES } from '../../workflows/search-attributes.ts';
import type { RunStatus } from '../../workflows/status.ts';
import {
  badInput,
  bundleWorkflows,
  silenceTemporal,
  StandIns,
  testConfig,
  withWorkers,
} from '../workflows/stand-ins.ts';

const folder = fileURLToPath(new URL('../fixtures/histories', import.meta.url));

const suffix = process.argv[2];
if (suffix === undefined) throw new Error('Give a suffix for the names of the files.');
silenceTemporal();
const executable = { type: 'existing-path', path: await findTemporal(console.error) } as const;
const environment = await TestWorkflowEnvironment.createLocal({
  server: { executable, searchAttributes: SEARCH_ATTRIBUTES },
});
const { client } = environment;
const bundle = await bundleWorkflows();

async function record(file: string, workflowId: string, runId?: string) {
  const history = await client.workflow.getHandle(workflowId, runId).fetchHistory();
  // Removes the host name and the folder of the recording.
  const text = historyToJSON(history)
    .replace(/\d+@[\w.-]+/g, 'recorder')
    .replace(/"stackTrace":\s*"(\\.|[^"\\])*"/g, '"stackTrace":""');
  writeFileSync(
    join(folder, `${file}-${suffix}.json`),
    JSON.stringify({ workflowId, history: JSON.parse(text) as unknown }),
  );
}

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
    await retryRun(client, config.name, undefined, { 'optimize.learningRate': 1e-4 });
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

try {
  mkdirSync(folder, { recursive: true });
  await recordRun();
  await recordBlock();
} finally {
  await environment.teardown();
}
