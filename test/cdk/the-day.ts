/** The day that docs/scaling.md shows: four rounds, spot instances that are lost, and two hours without any. */
import { synthesize, cloud } from './variants.ts';
import { simulateDay, type Day, type Weather } from './simulated-day.ts';

export const ARRIVALS = [2 * 60, 9 * 60, 9 * 60 + 20, 17 * 60];
export const OUTAGE = { from: 16 * 60 + 30, to: 18 * 60 + 30 };
/** Of a running spot worker, a minute: about one loss in two hours of work. */
const LOSS = 1 / 120;

/** Numbers from 0 to 1 that are the same in every run (a linear congruential generator). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32) / 2 ** 32;
}

/** @param isProtected whether workers protect themselves while they work */
export function theDay(isProtected = true): Day {
  const stack = synthesize({ temporal: cloud }).find(({ name }) => name === 'selm-gpu')!;
  const random = randomNumbers(1);
  const weather: Weather = {
    arrivals: ARRIVALS,
    spotAvailable: (minute) => minute < OUTAGE.from || minute >= OUTAGE.to,
    spotLost: () => random() < LOSS,
    isProtected,
  };
  return simulateDay(stack, weather);
}
