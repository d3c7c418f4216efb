/** The scaling policies of the template on a simulated day. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { scalingPage, SCALING_PAGE } from '../../docs/write-scaling.ts';
import { JOBS_A_ROUND } from './simulated-day.ts';
import { ARRIVALS, OUTAGE, theDay } from './the-day.ts';

const { minutes, rounds } = theDay();
const sum = (key: 'lost' | 'endedAtWork' | 'jobsDone') => minutes.reduce((total, minute) => total + minute[key], 0);

it('workers come from none, every round ends in spite of lost instances, and idle is none again', () => {
  expect(sum('lost')).toBeGreaterThan(3);
  expect(rounds.map(({ done }) => done !== undefined)).toEqual(ARRIVALS.map(() => true));
  expect(sum('jobsDone')).toBe(ARRIVALS.length * JOBS_A_ROUND);
  expect(minutes.slice(0, ARRIVALS[0] + 1).every(({ spot, onDemand }) => spot + onDemand === 0)).toBe(true);
  // One worker per job, up to the limit.
  expect(Math.max(...minutes.map(({ spot }) => spot))).toBe(4);
  const last = rounds.map(({ done }) => done!).sort((a, b) => a - b);
  expect(minutes.slice(last.at(-1)! + 15).every(({ spot, onDemand }) => spot + onDemand === 0)).toBe(true);
  expect(minutes.slice(last[0] + 15, ARRIVALS[1]).every(({ spot, onDemand }) => spot + onDemand === 0)).toBe(true);
});

it('no worker is ended while it works', () => {
  expect(minutes.some(({ ended }) => ended > 0)).toBe(true);
  expect(sum('endedAtWork')).toBe(0);
  // Without task protection, scaling in would end busy workers.
  expect(theDay(false).minutes.some(({ endedAtWork }) => endedAtWork > 0)).toBe(true);
});

it('on-demand workers come only where spot ones cannot be had, and go again', () => {
  const present = minutes.flatMap(({ onDemand }, minute) => (onDemand > 0 ? [minute] : []));
  expect(present.length).toBeGreaterThan(0);
  expect(present[0]).toBeGreaterThan(OUTAGE.from);
  expect(minutes.at(-1)).toMatchObject({ spot: 0, onDemand: 0 });
});

it('docs/scaling.md shows this day', async () => {
  expect(readFileSync(SCALING_PAGE, 'utf8')).toBe(await scalingPage());
});
