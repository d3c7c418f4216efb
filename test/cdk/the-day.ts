/** The day in docs/scaling.md: four rounds, lost spot instances, and two hours without spot capacity. */
import { synthesize, cloud } from './variants.ts';
import { simulateDay, type Day, type Weather } from './simulated-day.ts';

export const ARRIVALS = [2 * 60, 9 * 60, 9 * 60 + 20, 17 * 60];
export const OUTAGE = { from: 16 * 60 + 30, to: 18 * 60 + 30 };
/** Probability per minute that a running spot worker is lost: about one loss in two hours. */
const LOSS = 1 / 120;

/** Deterministic random numbers from 0 to 1 (a linear congruential generator). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32) / 2 ** 32;
}

/** Simulates the day. @param isProtected whether busy workers are protected */
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
