/** What a control worker publishes of the demand, on a real server. The activities are stand-ins. */
import { noopMetricMeter } from '@temporalio/common';
import { expect, it } from 'vitest';
import { spentFailure } from '../../activities/spent.ts';
import { TrainingDiverged } from '../../engine/protocol/errors.ts';
import { retryRun } from '../../workers/runs/decisions.ts';
import { readProgress } from '../../workers/runs/progress.ts';
import { startRun } from '../../workers/runs/runs.ts';
import { publishDemand } from '../../workers/telemetry/demand.ts';
import { EmfMetrics } from '../../workers/telemetry/emf.ts';
import { Metrics } from '../../workers/telemetry/metrics.ts';
import { selm } from '../command.ts';
import { devServer } from '../workflows/server.ts';
import { badInput, StandIns, testConfig, withWorkers } from '../workflows/stand-ins.ts';

const server = devServer();

interface Line {
  _aws: { CloudWatchMetrics: { Dimensions: string[][]; Metrics: { Name: string; Unit: string }[] }[] };
  [key: string]: unknown;
}

/** Publishes several times a second. @returns the value of each metric by `name dimension…`, and the lines */
function watch() {
  const lines: Line[] = [];
  const latest: Record<string, unknown> = {};
  const emf = new EmfMetrics('selm', { Deployment: 'test', Version: 'v1' }, (text) => {
    const line = JSON.parse(text) as Line;
    lines.push(line);
    for (const { Dimensions, Metrics: metrics } of line['_aws'].CloudWatchMetrics)
      for (const { Name } of metrics) latest[[Name, ...Dimensions[0].map((by) => line[by])].join(' ')] = line[Name];
  });
  const warnings: string[] = [];
  const stop = publishDemand(
    server.environment.client,
    new Metrics(noopMetricMeter, emf),
    (text) => warnings.push(text),
    { deploymentName: 'test', buildId: 'v1' },
    0.2,
  );
  return { lines, latest, warnings, stop: () => (stop(), emf.close()) };
}

it('counts the activities of each pool, not those of the control queue, and runs that have failed', async () => {
  const standIns = new StandIns();
  let goOn: (() => void) | undefined;
  const waiting = new Promise<void>((resolve) => (goOn = resolve));
  const sampledByServer: unknown[] = [];
  standIns.before.sample = async (_, { server: by }) => {
    if (!by) return;
    sampledByServer.push(by);
    await waiting;
  };
  standIns.before.prepare = (_, { model }) => {
    if (model === 'org/missing') throw badInput('there is no such model');
  };
  const { latest, lines, warnings, stop } = watch();
  const { client } = server.environment;
  // Workers of the control queue and of the pool single.
  await withWorkers(server, standIns, async () => {
    const by = { url: 'http://127.0.0.1:1/v1', model: 'org/model' };
    const onNode = await startRun(client, testConfig({ name: 'on-node', workers: 'node' }));
    const served = await startRun(client, testConfig({ name: 'served', sample: { server: by } }));
    const failed = await startRun(client, testConfig({ name: 'failed', model: 'org/missing' }));
    await expect(failed.handle.result()).rejects.toThrow();
    await expect.poll(() => sampledByServer.length).toBeGreaterThan(0);
    await expect
      .poll(() => latest)
      .toEqual({
        'Demand test single v1': 0,
        'Demand test node v1': 1,
        'Workers test single v1 spot': 0,
        'Workers test single v1 on-demand': 0,
        'Workers test node v1 spot': 0,
        'Workers test node v1 on-demand': 0,
        'ParkedRuns test': 0,
        'RunsFailed test': 1,
        'HeartbeatAge test': 0,
      });
    expect((await readProgress(client, onNode.handle)).pending).toMatchObject([
      { name: 'sample', waitsOn: 'selm-node' },
    ]);
    expect((await readProgress(client, served.handle)).pending[0].waitsOn).toBeUndefined();
    const { stdout } = await selm(['status', 'on-node'], { TEMPORAL_ADDRESS: server.address });
    expect(stdout).toContain('1 activity waits for a worker: selm worker --role node.');
    goOn!();
    await served.handle.terminate();
    await onNode.handle.terminate();
  });
  stop();
  expect(warnings).toEqual([]);
  expect(lines[0]['_aws'].CloudWatchMetrics).toEqual([
    {
      Namespace: 'selm',
      Dimensions: [['Deployment', 'Pool', 'Version']],
      Metrics: [{ Name: 'Demand', Unit: 'Count' }],
    },
  ]);
});

it('a run that waits for its automatic retry is not one that waits for a decision', async () => {
  const standIns = new StandIns();
  standIns.before.prefer = (times) => {
    throw times === 1
      ? spentFailure(new TrainingDiverged('Training diverged at step 1.'), { seconds: 1 })
      : badInput('bad');
  };
  const { latest, warnings, stop } = watch();
  const { client } = server.environment;
  await withWorkers(server, standIns, async () => {
    const config = testConfig({ name: 'retried', onFailure: { retries: 1, backoff: 3600 } });
    const { handle } = await startRun(client, config);
    await expect.poll(async () => (await readProgress(client, handle)).status.failure?.retryAt).toBeDefined();
    delete latest['ParkedRuns test'];
    await expect.poll(() => latest['ParkedRuns test']).toBe(0);
    await retryRun(client, config.name);
    await expect.poll(() => latest['ParkedRuns test']).toBe(1);
    await handle.terminate();
  });
  stop();
  expect(warnings).toEqual([]);
});
