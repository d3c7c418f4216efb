/** Benchmarks within a run: which policies they measure, and what follows a benchmark that fails. */
import { expect, test } from 'vitest';
import { hashValue } from '../../artifacts/hash.ts';
import { skipUpdate, stopUpdate } from '../../workflows/decisions.ts';
import { decide } from '../../workers/runs/decisions.ts';
import { describeFailure } from '../../report/failure.ts';
import { startRun } from '../../workers/runs/runs.ts';
import { runStatusQuery } from '../../workflows/alignment.ts';
import type { RunStatus } from '../../workflows/status.ts';
import { timeSkippingServer } from './server.ts';
import { badInput, StandIns, testConfig, withWorkers } from './stand-ins.ts';

const server = timeSkippingServer();

const start = hashValue('start');
let runs = 0;

/** Stand-ins of a run whose second round is rolled back: its win rate over the first one is below the gate's. */
function secondRolledBack(): StandIns {
  const standIns = new StandIns();
  standIns.before.optimize = (times) => void (standIns.unchanged = times === 2);
  return standIns;
}

async function run(standIns: StandIns, evaluate: object): Promise<RunStatus> {
  const config = testConfig({ name: `benchmarks-${++runs}`, rounds: 3, evaluate });
  return withWorkers(server, standIns, async () => {
    const { handle } = await startRun(server.environment.client, config);
    return handle.result();
  });
}

/** The rounds of the measured policies, in the order in which they were measured. */
const measuredRounds = (standIns: StandIns) => {
  const trained = standIns.callsOf('optimize').map((input) => hashValue(['optimize', input]));
  return standIns.callsOf('benchmark').map(({ policy }) => [start, ...trained].indexOf(policy as string));
};

test.each([
  [undefined, [0, 3]],
  ['accepted', [0, 1, 3]],
  ['every-round', [0, 1, 2, 3]],
])('benchmarksWhen: %s, where the second round is rolled back', async (benchmarksWhen, rounds) => {
  const standIns = secondRolledBack();
  const { results, benchmarks } = await run(standIns, {
    benchmarks: ['ifeval'],
    ...(benchmarksWhen !== undefined && { benchmarksWhen }),
    shardSize: 4,
  });
  expect(results.map(({ accepted }) => accepted)).toEqual([true, false, true]);
  expect(measuredRounds(standIns)).toEqual(rounds);
  expect(benchmarks?.map(({ round, benchmark, rows }) => [round, benchmark, rows[0].value])).toEqual(
    rounds.map((round) => [round, 'ifeval', 0.5]),
  );
  // The responses of both shards, and none of another policy.
  for (const { policy, responses } of standIns.callsOf('benchmark')) {
    const own = (responses as string[]).map((address) =>
      standIns.callsOf('sample').find((input) => hashValue(['sample', input]) === address)!,
    );
    expect(own.map((input) => [input.policy, input.from, input.to])).toEqual([
      [policy, 0, 4],
      [policy, 4, 8],
    ]);
  }
});

test('the start policy is measured before the first round begins', async () => {
  const standIns = new StandIns();
  let trained = 0;
  standIns.before.benchmark = (times) => {
    if (times === 1) trained = standIns.callsOf('optimize').length;
  };
  await run(standIns, { benchmarks: ['ifeval'] });
  expect(trained).toBe(0);
});

test('a run without benchmarks calls none of their activities', async () => {
  const standIns = new StandIns();
  expect(await run(standIns, {})).not.toHaveProperty('benchmarks');
  expect([standIns.callsOf('benchmark'), standIns.callsOf('benchmarkPrompts')]).toEqual([[], []]);
});

test('a run that its gate stops measures the policies that it has', async () => {
  const standIns = secondRolledBack();
  const { state } = await run(standIns, { benchmarks: ['ifeval'], gate: { onFail: 'stop' } });
  expect([state, measuredRounds(standIns)]).toEqual(['stopped', [0, 1]]);
});

test('an operator ends the benchmarks of a run that its gate has stopped', async () => {
  const standIns = secondRolledBack();
  const benchmarks = ['ifeval', { 'lm-eval': ['gsm8k'] }];
  const config = testConfig({
    name: `benchmarks-${++runs}`,
    rounds: 3,
    evaluate: { benchmarks, gate: { onFail: 'stop' } },
  });
  let [release, reached] = [() => {}, () => {}];
  const released = new Promise<void>((resolve) => (release = resolve));
  const underWay = new Promise<void>((resolve) => (reached = resolve));
  standIns.before.benchmark = (times) => {
    if (times < 3) return;
    reached();
    return released;
  };
  await withWorkers(server, standIns, async () => {
    const { client } = server.environment;
    const { handle } = await startRun(client, config);
    await underWay;
    try {
      await decide(client, config.name, stopUpdate);
      await expect(decide(client, config.name, stopUpdate)).rejects.toThrow(/is stopping already/);
    } finally {
      release();
    }
    expect((await handle.result()).state).toBe('stopped');
  });
  expect(measuredRounds(standIns)).toEqual([0, 0, 1]);
});

test('a benchmark that fails parks the run with its reason; skipping it skips no round', async () => {
  const standIns = new StandIns();
  standIns.before.benchmark = () => {
    throw badInput('lm-eval is not installed.');
  };
  const config = testConfig({ name: `benchmarks-${++runs}`, evaluate: { benchmarks: ['ifeval'] } });
  await withWorkers(server, standIns, async () => {
    const { client } = server.environment;
    const { handle } = await startRun(client, config);
    const skip = async (round?: number) => {
      let status = await handle.query(runStatusQuery);
      while (status.state !== 'parked') {
        await server.environment.sleep('1 minute');
        status = await handle.query(runStatusQuery);
      }
      expect(status.failure).toMatchObject({
        step: 'benchmarks',
        benchmark: 'ifeval',
        activity: 'benchmark',
        message: 'lm-eval is not installed.',
      });
      expect(status.failure?.round).toBe(round);
      expect(describeFailure(status, status.failure!)).toMatch(
        `Failed in ${round === undefined ? '' : `round ${round}, `}benchmark ifeval (activity benchmark), since `,
      );
      await decide(client, config.name, skipUpdate);
    };
    await skip();
    await skip(2);
    const { state, results, skipped, benchmarks } = await handle.result();
    expect([state, results.length, skipped, benchmarks?.map(({ address }) => address)]).toEqual([
      'done',
      2,
      [],
      [undefined, undefined],
    ]);
  });
});
