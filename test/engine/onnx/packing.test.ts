/** Groups of a prompt and its responses, laid end to end. */
import { describe, expect, test } from 'vitest';
import { packGroups, planBatches, planByLength } from '../../../engine/onnx/packing.ts';
import type { Feeds } from '../../../engine/onnx/session.ts';
import { groupLength, type Group } from '../../../engine/training/groups.ts';

const group = (prompt: number, ...responses: number[]): Group => ({
  prompt: Array<number>(prompt).fill(1),
  responses: responses.map((length) => Array<number>(length).fill(2)),
});

describe('micro-batches', () => {
  const groups = [group(3, 4), group(10, 20, 30), group(5, 1, 1), group(2, 5), group(100, 100), group(1, 1)];
  const tokens = (batch: number[]) => batch.reduce((total, i) => total + groupLength(groups[i]), 0);

  test.each([1, 14, 21, 67, 120, 500, 10_000])('within %d tokens hold every group once, in order', (budget) => {
    const batches = planBatches(groups, budget);
    expect(batches.flat()).toEqual(groups.map((_, i) => i));
    for (const batch of batches) expect(batch.length === 1 || tokens(batch) <= budget).toBe(true);
  });

  test('are full: the first of the next would not fit', () => {
    const batches = planBatches(groups, 75);
    expect(batches).toHaveLength(4);
    for (const [i, batch] of batches.slice(1).entries()) expect(tokens([...batches[i], batch[0]])).toBeGreaterThan(75);
  });

  test('of nothing are none', () => expect(planBatches([], 100)).toEqual([]));
});

describe('batches of sequences that are padded', () => {
  const lengths = [7, 60, 7, 7, 200, 2];
  const padded = (batch: number[]) => batch.length * Math.max(...batch.map((i) => lengths[i]));

  test.each([1, 14, 21, 60, 120, 500, 10_000])('within %d tokens hold every sequence once', (budget) => {
    const batches = planByLength(lengths, budget);
    expect(batches.flat().sort((a, b) => a - b)).toEqual(lengths.map((_, i) => i));
    for (const batch of batches) expect(batch.length === 1 || padded(batch) <= budget).toBe(true);
  });
});

const rows = (feeds: Feeds, name: string): number[][] => {
  const [count, width] = feeds[name].dims;
  const values = [...(feeds[name].data as BigInt64Array)].map(Number);
  return Array.from({ length: count }, (_, row) => values.slice(row * width, (row + 1) * width));
};

test('responses follow their prompt, each in the place after it, and groups follow each other', () => {
  const groups = [
    { prompt: [11, 12], responses: [[21, 22, 23], [31]] },
    { prompt: [13], responses: [[41, 42]] },
  ];
  const { feeds, tokens } = packGroups(groups, 50);
  expect(tokens).toBe(9);
  expect(rows(feeds, 'ids')).toEqual([[11, 12, 21, 22, 23, 31, 13, 41, 42]]);
  expect(rows(feeds, 'positions')).toEqual([[0, 1, 2, 3, 4, 2, 0, 1, 2]]);
  // The hidden state before each response token predicts it: the prompt's last one the first of each response.
  expect(rows(feeds, 'targets')).toEqual([[21, 22, 23, 31, 41, 42]]);
  expect(rows(feeds, 'rows')).toEqual([[1, 2, 3, 1, 6, 7]]);
  expect(rows(feeds, 'owners')).toEqual([[0, 0, 0, 1, 2, 2]]);
});

test("blocks of attention: a token sees its prompt and what is before it in its response, whatever the blocks' size", () => {
  const groups = [group(5, 3, 700), group(600, 2, 1), group(1), group(300, 300)];
  const { feeds } = packGroups(groups, 50);
  // [group, response] of each token; a prompt's tokens are of no response.
  const owners = groups.flatMap(({ prompt, responses }, g) => [
    ...prompt.map(() => [g, undefined]),
    ...responses.flatMap((response, r) => response.map(() => [g, r])),
  ]);
  let next = 0;
  for (const [promptStart, promptEnd, segment, start, end, queries, earlier] of rows(feeds, 'blocks')) {
    expect(queries).toBe(end - start);
    expect(earlier).toBe(promptEnd - promptStart + start - segment);
    expect(start).toBe(next);
    expect(end - start).toBeLessThanOrEqual(256);
    next = end;
    for (const query of [start, end - 1]) {
      const [group, response] = owners[query];
      const seen = owners.map(([g, r], key) => key <= query && g === group && (r === undefined || r === response));
      const told = owners.map((_, key) => (key >= promptStart && key < promptEnd) || (key >= segment && key <= query));
      expect(told).toEqual(seen);
    }
  }
  expect(next).toBe(owners.length);
});

test('a large vocabulary divides the output layer into chunks, the last one padded with tokens of no sequence', () => {
  const { feeds } = packGroups([{ prompt: [1], responses: [[2, 3, 4, 5, 6]] }], 4 * 1024 * 1024);
  // 64 MiB hold the logits of four tokens: two chunks, of three each.
  expect(rows(feeds, 'targets')).toEqual([
    [2, 3, 4],
    [5, 6, 0],
  ]);
  expect(rows(feeds, 'owners')).toEqual([
    [0, 0, 0],
    [0, 0, -1],
  ]);
});
