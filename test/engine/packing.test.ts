/** Groups of a prompt and its responses as rectangular arrays. */
import { describe, expect, test } from 'vitest';
import { groupLength, packGroups, planBatches, type Group } from '../../engine/packing.ts';
import type { Feeds } from '../../engine/session.ts';

const group = (prompt: number, ...responses: number[]): Group => ({
  prompt: Array<number>(prompt).fill(1),
  responses: responses.map((length) => Array<number>(length).fill(2)),
});

describe('micro-batches', () => {
  const groups = [group(3, 4), group(10, 20, 30), group(5, 1, 1), group(2, 5), group(100, 100), group(1, 1)];
  const padded = (batch: number[]) => batch.length * Math.max(...batch.map((i) => groupLength(groups[i])));

  test.each([1, 14, 21, 60, 120, 500, 10_000])('within %d tokens hold every group once', (budget) => {
    const batches = planBatches(groups, budget);
    expect(batches.flat().sort((a, b) => a - b)).toEqual(groups.map((_, i) => i));
    for (const batch of batches) expect(batch.length === 1 || padded(batch) <= budget).toBe(true);
  });

  test('are full: no two neighbours would fit one pass', () => {
    const batches = planBatches(groups, 60);
    for (const [i, batch] of batches.slice(1).entries()) expect(padded([...batches[i], batch[0]])).toBeGreaterThan(60);
  });

  test('of nothing are none', () => expect(planBatches([], 100)).toEqual([]));
});

const rows = (feeds: Feeds, name: string): number[][] => {
  const [count, width] = feeds[name].dims;
  const values = [...(feeds[name].data as BigInt64Array)].map(Number);
  return Array.from({ length: count }, (_, row) => values.slice(row * width, (row + 1) * width));
};

test('responses follow their prompt in one row, each in the place after it', () => {
  const groups = [
    { prompt: [11, 12], responses: [[21, 22, 23], [31]] },
    { prompt: [13], responses: [[41, 42]] },
  ];
  const { feeds, tokens } = packGroups(groups, 50);
  expect(tokens).toBe(9);
  expect(rows(feeds, 'ids')).toEqual([
    [11, 12, 21, 22, 23, 31],
    [13, 41, 42, 0, 0, 0],
  ]);
  expect(rows(feeds, 'positions')).toEqual([
    [0, 1, 2, 3, 4, 2],
    [0, 1, 2, 0, 0, 0],
  ]);
  expect(rows(feeds, 'segments')).toEqual([
    [0, 0, 1, 1, 1, 2],
    [0, 1, 1, -1, -1, -1],
  ]);
  // The hidden state before each response token predicts it: the prompt's last one the first of each response.
  expect(rows(feeds, 'targets')).toEqual([[21, 22, 23, 31, 41, 42]]);
  expect(rows(feeds, 'rows')).toEqual([[1, 2, 3, 1, 6, 7]]);
  expect(rows(feeds, 'owners')).toEqual([[0, 0, 0, 1, 2, 2]]);
});

test('a large vocabulary divides the output layer into chunks, the last one padded with tokens of no sequence', () => {
  const { feeds } = packGroups([{ prompt: [1], responses: [[2, 3, 4, 5, 6]] }], 1024 * 1024);
  // 16 MiB hold the logits of four tokens: two chunks, of three each.
  expect(rows(feeds, 'targets')).toEqual([[2, 3, 4], [5, 6, 0]]); // prettier-ignore
  expect(rows(feeds, 'owners')).toEqual([[0, 0, 0], [0, 0, -1]]); // prettier-ignore
});
