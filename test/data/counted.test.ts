/** A number with its noun. */
import { expect, test } from 'vitest';
import { counted } from '../../data/counted.ts';

test.each([
  [0, '0 prompts'],
  [1, '1 prompt'],
  [2, '2 prompts'],
])('%d', (count, text) => {
  expect(counted(count, 'prompt')).toBe(text);
});

test('a plural that is more than an s', () => {
  expect([1, 3].map((count) => counted(count, 'response was', 'responses were'))).toEqual([
    '1 response was',
    '3 responses were',
  ]);
});
