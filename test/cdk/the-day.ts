/** The day in docs/scaling.md: rounds of both pools, lost spot instances, two hours without spot capacity, and a deployment. */
import { simulateDay, type Day, type Weather } from './simulated-day.ts';
import { cloud, synthesize, type SynthesizedStack } from './variants.ts';

export const ARRIVALS = { single: [2 * 60, 9 * 60, 9 * 60 + 20, 17 * 60], node: [3 * 60, 11 * 60, 13 * 60 + 30] };
export const OUTAGE = { from: 16 * 60 + 30, to: 18 * 60 + 30 };
/** Version 2 is deployed while the round of 11:00 trains on a node of version 1. */
export const RELEASE = 13 * 60;
/** Probability per minute that a running spot worker is lost: about one loss in two hours. */
const LOSS = 1 / 120;

/** Deterministic random numbers from 0 to 1 (a linear congruential generator). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32) / 2 ** 32;
}

const stackOf = (version: string) =>
  synthesize({ version, temporal: cloud, gpu: { pools: { node: {} } } }).find(({ name }) => name === 'selm-gpu')!;

const stacks: Record<string, SynthesizedStack> = { 1: stackOf('1'), 2: stackOf('2') };

/** The deployment of version 1 or 2 at a minute. */
export const releaseOf = (version: '1' | '2', at: number) => ({ at, version, stack: stacks[version] });

/** Simulates the day. @param changes of its conditions */
export function theDay(changes: Partial<Weather> = {}): Day {
  const random = randomNumbers(1);
  return simulateDay({
    arrivals: ARRIVALS,
    releases: [releaseOf('1', 0), releaseOf('2', RELEASE)],
    spotAvailable: (minute) => minute < OUTAGE.from || minute >= OUTAGE.to,
    spotLost: () => random() < LOSS,
    isProtected: true,
    publishesZero: true,
    ...changes,
  });
}
