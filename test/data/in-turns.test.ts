import { expect, test } from 'vitest';
import { inTurns } from '../../data/in-turns.ts';

test('at most 16 at a time, and the results in the order of the items', async () => {
  let [running, most] = [0, 0];
  const waiting: (() => void)[] = [];
  const items = Array.from({ length: 40 }, (_, i) => i);
  const results = inTurns(items, async (item) => {
    most = Math.max(most, ++running);
    await new Promise<void>((resolve) => waiting.push(resolve));
    running--;
    return item * 2;
  });
  // Finishes the most recently started item first.
  for (let ended = 0; ended < items.length; ended++) {
    await expect.poll(() => waiting.length).toBeGreaterThan(0);
    waiting.pop()!();
  }
  expect(await results).toEqual(items.map((item) => item * 2));
  expect(most).toBe(16);
});
