/** A run's budget, counted from the time that activities report. Runs on Temporal's test server. */
import { expect, test } from 'vitest';
import { decide, retryRun } from '../../workers/runs/decisions.ts';
import { startRun, type RunHandle } from '../../workers/runs/runs.ts';
import { runStatusQuery } from '../../workflows/alignment.ts';
import { stopUpdate } from '../../workflows/decisions.ts';
import type { RunStatus } from '../../workflows/status.ts';
import { spentFailure } from '../../activities/spent.ts';
import { timeSkippingServer } from './server.ts';
import { StandIns, testConfig, withWorkers } from './stand-ins.ts';

const server = timeSkippingServer();

let runs = 0;
const HOUR = 3600;

/** A run in which each activity reports an hour of work, which costs one dollar. */
async function withRun(
  changes: object,
  act: (run: RunHandle, name: string, standIns: StandIns) => Promise<void>,
  standIns = new StandIns(),
) {
  standIns.seconds = HOUR;
  const config = testConfig({ name: `costly-${++runs}`, evaluate: { shardSize: 8 }, ...changes });
  await withWorkers(server, standIns, async () => {
    const { handle } = await startRun(server.environment.client, config);
    try {
      await act(handle, config.name, standIns);
    } finally {
      await handle.terminate().catch(() => {});
    }
  });
}

async function untilParked(run: RunHandle): Promise<RunStatus> {
  for (let looks = 0; looks < 100; looks++) {
    const status = await run.query(runStatusQuery);
    if (status.state === 'parked') return status;
    await server.environment.sleep('1 second');
  }
  throw new Error('The run was not parked.');
}

const modelCalls = ({ calls }: StandIns) =>
  calls.filter(({ name }) => ['sample', 'reference', 'divergence', 'optimize'].includes(name)).length;

// A round takes 6 hours: a shard of samples, a shard of reference log-probabilities, training, a shard of held-out responses, and their
// divergences from the start policy and from the previous policy. The start policy takes 1 hour.
test('a run counts its GPU seconds, and not those of light steps', async () => {
  await withRun({}, async (run) => {
    const { gpuSeconds, spent } = await run.result();
    expect([gpuSeconds, spent]).toEqual([13 * HOUR, undefined]);
  });
});

test('answers of a server cost no GPU seconds, unless it stands beside the GPU workers', async () => {
  const server = { url: 'http://127.0.0.1:8000/v1', model: 'org/model' };
  await withRun({ sample: { server } }, async (run, _name, standIns) => {
    // It answers the prompts of two rounds, and for three policies the held-out prompts.
    expect((await run.result()).gpuSeconds).toBe((13 - 5) * HOUR);
    const [sampled, unloaded] = [
      standIns.callsOf('sample').filter((input) => input['server'] !== undefined),
      standIns.callsOf('unloadAdapter'),
    ];
    expect(unloaded.map(({ policy }) => policy)).toEqual(sampled.map(({ policy }) => policy));
    expect(unloaded).toHaveLength(5);
  });
  await withRun({ sample: { server: { ...server, workers: 'gpu' } } }, async (run, _name, standIns) => {
    expect((await run.result()).gpuSeconds).toBe(13 * HOUR);
    expect(standIns.callsOf('unloadAdapter')).toEqual([]);
  });
});

test('where its budget is spent it begins nothing more and waits, until an operator raises it', async () => {
  await withRun({ budget: { usdPerGpuHour: 1, usd: 3 } }, async (run, name, standIns) => {
    const status = await untilParked(run);
    expect(modelCalls(standIns)).toBe(3);
    expect(status).toMatchObject({ results: [], gpuSeconds: 3 * HOUR, spent: { usd: 3, of: 3 } });
    expect(status.failure).toMatchObject({
      step: 'budget',
      message: 'the run has spent 3.00 of its 3 US dollars; raise budget.usd to go on',
    });
    // The new budget is too small: the run parks again without any work.
    await retryRun(server.environment.client, name, { settings: { 'budget.usd': 2.5 } });
    expect((await untilParked(run)).spent).toEqual({ usd: 3, of: 2.5 });
    expect(modelCalls(standIns)).toBe(3);

    await retryRun(server.environment.client, name, { settings: { 'budget.usd': 100 } });
    const { state, results, spent } = await run.result();
    // The stand-ins compute everything again. With an artifact store, the cached artifacts would cost nothing.
    expect([state, results.length, spent]).toEqual(['done', 2, { usd: 15, of: 100 }]);
  });
});

test('it can be stopped then, and keeps what it has accepted', async () => {
  await withRun({ budget: { usdPerGpuHour: 2, usd: 14 } }, async (run, name) => {
    expect((await untilParked(run)).results).toHaveLength(1);
    await decide(server.environment.client, name, stopUpdate);
    expect(await run.result()).toMatchObject({ state: 'stopped', version: 1, spent: { usd: 14, of: 14 } });
  });
});

test('failed attempts count', async () => {
  const standIns = new StandIns();
  standIns.before.optimize = () => {
    throw spentFailure(new Error('the disk is full'), { seconds: 7 * HOUR }, true);
  };
  await withRun(
    { rounds: 1 },
    async (run: RunHandle) => {
      expect(await untilParked(run)).toMatchObject({
        failure: { step: 'optimize', message: 'the disk is full' },
        gpuSeconds: 10 * HOUR,
      });
    },
    standIns,
  );
});

test('a step in blocks of shards stops within a block', async () => {
  const changes = { rounds: 1, sample: { shardSize: 1 }, budget: { usdPerGpuHour: 1, usd: 50 } };
  await withRun(
    changes,
    async (run: RunHandle, _name: string, standIns: StandIns) => {
      const status = await untilParked(run);
      // All started activities are counted, including those in progress in two blocks.
      expect(status.spent!.usd).toBe(modelCalls(standIns));
      expect(status.spent!.usd).toBeGreaterThanOrEqual(50);
      expect(status.spent!.usd).toBeLessThan(50 + 50 + 2 * 32);
    },
    new StandIns(260),
  );
});
