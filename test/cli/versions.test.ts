/** Workers of two versions beside each other: a run ends on the one it began on. */
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { stringify } from 'yaml';
import type { RunProgress } from '../../workers/runs/progress.ts';
import { findTemporal } from '../../workers/dev-server/temporal-binary.ts';
import { selm, startSelm, stopAll, summaryOf, type Running } from '../command.ts';
import { startDevServer, type DevServer } from '../dev-server.ts';
import { temporaryFolder } from '../temporary.ts';
import { tinyModel, tinyPrompts } from '../tiny-model.ts';

const execute = promisify(execFile);
const folder = temporaryFolder();
let server: DevServer;
let client: Client;
let env: Record<string, string>;
const workers: Running[] = [];

/** Starts workers of a version, and makes it the one on which runs begin. */
async function deploy(buildId: string): Promise<void> {
  workers.push(startSelm(['worker', '--deployment', 'selm', '--build-id', buildId], env));
  const version = { namespace: 'default', deploymentName: 'selm', buildId };
  // Until its workers have polled the server does not know it.
  await expect.poll(() => client.workflowService.setWorkerDeploymentCurrentVersion(version)).toBeDefined();
}

beforeAll(async () => {
  // The server looks whether a version is drained every few minutes, unless it is told to look sooner.
  server = await startDevServer({
    'matching.wv.VersionDrainageStatusVisibilityGracePeriod': '1s',
    'matching.wv.VersionDrainageStatusRefreshInterval': '1s',
  });
  env = { SELM_HOME: join(folder, 'home'), TEMPORAL_ADDRESS: server.address };
  tinyModel(join(folder, 'model'));
  const train = tinyPrompts(20).map((row) => `${JSON.stringify(row)}\n`);
  writeFileSync(join(folder, 'train.jsonl'), train.join(''));
  for (const name of ['first', 'second']) {
    const prompts = { train: './train.jsonl', heldOut: 4 };
    // One answer a prompt: no preference can come of it, and the run waits for a decision.
    const settings = { rounds: 1, sample: { maxNewTokens: 8 }, evaluate: { maxNewTokens: 8 } };
    writeFileSync(join(folder, `${name}.yaml`), stringify({ name, model: './model', prompts, ...settings }));
  }
  client = new Client({ connection: await Connection.connect({ address: server.address, connectTimeout: '30s' }) });
});

afterAll(async () => {
  await stopAll(workers);
  await client.connection.close();
  server.stop();
});

const untilParked = (name: string) =>
  expect
    .poll(async () => summaryOf<RunProgress>(await selm(['status', name, '--json'], env)).status.state, {
      interval: 500,
    })
    .toBe('parked');

const buildOf = async (workflowId: string) => {
  const { raw } = await client.workflow.getHandle(workflowId).describe();
  const { versioningInfo } = raw.workflowExecutionInfo!;
  return versioningInfo!.deploymentVersion!.buildId;
};

/** What Temporal's command line says of a version. */
async function drainageOf(buildId: string): Promise<string | undefined> {
  const command = ['worker', 'deployment', 'describe', '--name', 'selm', '--address', server.address];
  const { stdout: text } = await execute(await findTemporal(console.error), command);
  return new RegExp(`^.*\\b${buildId}\\b.*\\b(draining|drained)\\b`, 'im').exec(text)?.[1].toLowerCase();
}

it('a run goes on with the version it began on after another is deployed; the next run begins on that', async () => {
  await deploy('v1');
  expect((await selm(['start', join(folder, 'first.yaml')], env)).code).toBe(0);
  await untilParked('first');
  await deploy('v2');
  expect((await selm(['start', join(folder, 'second.yaml')], env)).code).toBe(0);
  await untilParked('second');
  await expect.poll(() => drainageOf('v1')).toBe('draining');
  const retried = await selm(
    ['retry', 'first', '--set', 'sample.samplesPerPrompt=4', '--set', 'sample.temperature=1'],
    env,
  );
  expect(retried.code, retried.stderr).toBe(0);
  expect((await selm(['watch', 'first'], env)).code).toBe(0);
  expect([await buildOf('selm-first'), await buildOf('selm-first/round-1'), await buildOf('selm-second')]).toEqual([
    'v1',
    'v1',
    'v2',
  ]);
  // Its last run is over: it can be taken out of `draining`.
  await expect.poll(() => drainageOf('v1')).toBe('drained');
});

it('half a version is refused', async () => {
  const { code, stderr } = await selm(['worker', '--build-id', 'v3'], env);
  expect([code, stderr]).toEqual([2, 'selm: --deployment and --build-id belong together: give both, or neither.\n']);
});
