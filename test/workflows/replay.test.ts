/** Runs in progress survive an upgrade: recorded histories replay with the current workflows. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker, type WorkflowBundleOption } from '@temporalio/worker';
import { beforeAll, expect, test } from 'vitest';
import { bundleWorkflows, silenceTemporal } from './stand-ins.ts';

// Recorded by test/tools/record-histories.ts.
const folder = fileURLToPath(new URL('../fixtures/histories', import.meta.url));
const files = readdirSync(folder);

let workflowBundle: WorkflowBundleOption;
beforeAll(async () => {
  silenceTemporal();
  workflowBundle = await bundleWorkflows();
});

interface Recorded {
  workflowId: string;
  history: { events: { workflowExecutionStartedEventAttributes?: { workflowType: { name: string } } }[] };
}

const read = (file: string) => JSON.parse(readFileSync(`${folder}/${file}`, 'utf8')) as Recorded;

test.each(files)('%s replays', async (file) => {
  const { workflowId, history } = read(file);
  await Worker.runReplayHistory({ workflowBundle }, history, workflowId);
});

test('every workflow has a recorded history', async () => {
  const recorded = files.map(
    (file) => read(file).history.events[0].workflowExecutionStartedEventAttributes!.workflowType.name,
  );
  expect([...new Set(recorded)].sort()).toEqual(Object.keys(await import('../../workflows/index.ts')).sort());
});
