/** The scaling policies of the template on a simulated day. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { POOLS, type PoolName } from '../../config/pools.ts';
import { scalingPage, SCALING_PAGE } from '../../docs/write-scaling.ts';
import { evaluate } from './simulated-alarms.ts';
import { jobsOf, type Day } from './simulated-day.ts';
import { ARRIVALS, OUTAGE, RELEASE, releaseOf, theDay } from './the-day.ts';
import { resourcesOf, synthesize } from './variants.ts';

interface Step {
  MetricIntervalLowerBound: number;
  MetricIntervalUpperBound?: number;
  ScalingAdjustment: number;
}

const day = theDay();
const sum = ({ minutes }: Day, pool: PoolName, key: 'lost' | 'ended' | 'endedAtWork' | 'jobsDone') =>
  minutes.reduce((total, minute) => total + minute[pool][key], 0);
const workers = ({ minutes }: Day, pool: PoolName, from: number, to: number) =>
  minutes.slice(from, to).map((minute) => minute[pool].spot + minute[pool].onDemand);
const roundsOf = ({ rounds }: Day, pool: PoolName) => rounds.filter((round) => round.pool === pool);

it.each(POOLS)(
  'pool %s: workers come from none, every round ends in spite of lost instances, and idle is none again',
  (pool) => {
    expect(sum(day, pool, 'lost')).toBeGreaterThan(3);
    const ended = roundsOf(day, pool).map(({ done }) => done);
    expect(ended).toHaveLength(ARRIVALS[pool].length);
    expect(ended).not.toContain(undefined);
    expect(sum(day, pool, 'jobsDone')).toBe(ARRIVALS[pool].length * jobsOf(pool));
    const [first, second] = ARRIVALS[pool];
    expect(Math.max(...workers(day, pool, 0, first + 1))).toBe(0);
    expect(Math.max(...workers(day, pool, ended[0]! + 15, second))).toBe(0);
    expect(Math.max(...workers(day, pool, Math.max(...(ended as number[])) + 15, Infinity))).toBe(0);
  },
);

it('each pool follows its own demand, up to its own limit', () => {
  expect(Math.max(...day.minutes.map(({ single }) => single.spot))).toBe(4);
  expect(Math.max(...day.minutes.flatMap(({ node }) => Object.values(node.versions)))).toBe(1);
  expect(Math.max(...workers(day, 'node', ARRIVALS.single[0], ARRIVALS.node[0]))).toBe(0);
});

it.each([4, 20, 21, 50])(
  'up to %i workers: at most 20 steps, which Application Auto Scaling allows, and enough workers for every demand',
  (maxWorkers) => {
    const template = synthesize({ gpu: { pools: { single: { maxWorkers } } } });
    const policies = resourcesOf(template, 'AWS::ApplicationAutoScaling::ScalingPolicy').map(
      ({ Properties }) => Properties['StepScalingPolicyConfiguration'].StepAdjustments as Step[],
    );
    const toDemand = policies.filter(([{ ScalingAdjustment }]) => ScalingAdjustment > 0);
    expect(toDemand).toHaveLength(2);
    for (const steps of toDemand) {
      expect(steps.length).toBe(Math.min(maxWorkers, 20));
      for (let demand = 1; demand <= maxWorkers + 10; demand++) {
        // The bounds are relative to the alarm's threshold, 1.
        const matching = steps.filter(
          ({ MetricIntervalLowerBound: lower, MetricIntervalUpperBound: upper = Infinity }) =>
            demand - 1 >= lower && demand - 1 < upper,
        );
        expect(matching).toHaveLength(1);
        const [{ ScalingAdjustment: workers }] = matching;
        const wanted = Math.min(demand, maxWorkers);
        expect(workers).toBeGreaterThanOrEqual(wanted);
        expect(workers).toBeLessThanOrEqual(Math.min(maxWorkers, maxWorkers > 20 ? 1.2 * wanted : wanted));
      }
    }
  },
);

it('no worker is ended while it works', () => {
  for (const pool of POOLS) {
    expect(sum(day, pool, 'ended')).toBeGreaterThan(0);
    expect(sum(day, pool, 'endedAtWork')).toBe(0);
  }
  // Without task protection, scaling in would end busy workers.
  expect(sum(theDay({ isProtected: false }), 'single', 'endedAtWork')).toBeGreaterThan(0);
});

it.each(POOLS)('pool %s: on-demand workers come only where spot ones cannot be had, and go again', (pool) => {
  const present = day.minutes.flatMap((minute, at) => (minute[pool].onDemand > 0 ? [at] : []));
  expect(present.length).toBeGreaterThan(0);
  expect(present[0]).toBeGreaterThan(OUTAGE.from);
  expect(day.minutes.at(-1)![pool]).toMatchObject({ spot: 0, onDemand: 0 });
});

const DEMAND = { id: 'demand', value: 3, exists: true };

it('on-demand workers come to a deployment that has never had a spot worker, because the control worker publishes 0', () => {
  const never = { spotAvailable: () => false };
  const published = theDay(never);
  expect(roundsOf(published, 'single').filter(({ done }) => done === undefined)).toEqual([]);
  expect(sum(published, 'single', 'jobsDone')).toBe(ARRIVALS.single.length * jobsOf('single'));
  expect(sum(theDay({ ...never, publishesZero: false }), 'single', 'jobsDone')).toBe(0);
  // FILL would not help: it fills the gaps of a metric, and this metric does not exist.
  const filled = 'IF(FILL(spot, 0) < 1, demand, 0)';
  expect(evaluate(filled, [{ id: 'spot', exists: false }, DEMAND])).toBeUndefined();
  expect(evaluate(filled, [{ id: 'spot', exists: true }, DEMAND])).toBe(3);
  expect(evaluate('IF(spot < 1, demand, 0)', [{ id: 'spot', value: 0, exists: true }, DEMAND])).toBe(3);
});

it('a version that is deployed during a training starts from no worker, and the training goes on with its own', () => {
  const training = roundsOf(day, 'node').find(({ version, done }) => version === '1' && done! > RELEASE)!;
  const after = roundsOf(day, 'node').find(({ version }) => version === '2')!;
  const versions = (at: number) => day.minutes[at].node.versions;
  expect(versions(RELEASE)).toEqual({ '1': 1, '2': 0 });
  // It loses its spot instance later, and its version's service starts another.
  const old = day.minutes.slice(RELEASE, training.done).map(({ node }) => node.versions['1']);
  expect(old.filter((count) => count === 0).length).toBeLessThan(0.3 * old.length);
  expect(old.at(-1)).toBe(1);
  // Runs of the new version do not wait for it: for some time there is a worker of each.
  expect(day.minutes.some(({ node }) => node.versions['1'] === 1 && node.versions['2'] === 1)).toBe(true);
  expect(after.done! - ARRIVALS.node[2]).toBeLessThan(6 * 60);
  const last = day.minutes.findLastIndex(({ node }) => node.versions['1'] > 0);
  expect(last).toBeGreaterThanOrEqual(training.done!);
  expect(last).toBeLessThan(training.done! + 15);
});

it('a deployment that updates the services of a version sets their count to 0 for a minute, and ends no worker at work', () => {
  const updated = theDay({ releases: [releaseOf('1', 0), releaseOf('1', RELEASE)] });
  expect(updated.rounds.filter(({ done }) => done === undefined)).toEqual([]);
  for (const pool of POOLS) expect(sum(updated, pool, 'endedAtWork')).toBe(0);
});

it('docs/scaling.md shows this day', async () => {
  expect(readFileSync(SCALING_PAGE, 'utf8')).toBe(await scalingPage());
});
