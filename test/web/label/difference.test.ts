/** Marked differences against the length of the longest common subsequence, computed by its textbook recurrence. */
import { expect, it } from 'vitest';
import { uniformStream } from '../../../data/random.ts';
import { difference, type Part } from '../../../web/label/difference.ts';

const textOf = (parts: Part[]) => parts.map(({ text }) => text).join('');
const wordsOf = (parts: Part[], differs: boolean) =>
  parts
    .filter((part) => part.differs === differs)
    .flatMap(({ text }) => text.split(/\s+/))
    .filter(Boolean);

function longestCommon(a: string[], b: string[]): number {
  const lengths = Array.from({ length: a.length + 1 }, () => Array.from({ length: b.length + 1 }, () => 0));
  for (let i = 1; i <= a.length; i++)
    for (let j = 1; j <= b.length; j++)
      lengths[i][j] =
        a[i - 1] === b[j - 1] ? lengths[i - 1][j - 1] + 1 : Math.max(lengths[i - 1][j], lengths[i][j - 1]);
  return lengths[a.length][b.length];
}

it('marks as few words as possible, and keeps both texts as they are', () => {
  const next = uniformStream('differences');
  for (let i = 0; i < 50; i++) {
    const [a, b] = [0, 1].map(() =>
      Array.from({ length: 1 + Math.floor(40 * next()) }, () => `w${Math.floor(6 * next())}`),
    );
    const [first, second] = [a, b].map((words) => words.map((word) => word + (next() < 0.2 ? '\n\n' : ' ')).join(''));
    const common = longestCommon(a, b);
    const sides = difference(first, second);
    if (common === 0) {
      expect(sides).toBeUndefined();
      continue;
    }
    expect(sides!.map(textOf)).toEqual([first, second]);
    expect(sides!.map((parts) => wordsOf(parts, false).length)).toEqual([common, common]);
  }
});

it('compares scripts without spaces by character, and punctuation by itself', () => {
  expect(difference('我喜欢猫。', '我喜欢狗。')!.map((parts) => wordsOf(parts, true))).toEqual([['猫'], ['狗']]);
  expect(difference('Yes.', 'Yes!')!.map((parts) => wordsOf(parts, true))).toEqual([['.'], ['!']]);
});

const sentences = (word: string) =>
  Array.from({ length: 400 }, (_, i) => `Number ${i} is about ${word}${i} and ${word}.`);
const words = (seed: string) => Array.from({ length: 50_000 }, (_, i) => `${seed}${i}`).join(' ');

it('compares long texts by sentences, within a time that does not grow with their length', () => {
  const first = sentences('a');
  const second = sentences('b');
  // Every fourth sentence is the same: more than 600 words differ, but fewer sentences.
  for (let i = 0; i < 400; i += 4) second[i] = first[i];
  const before = process.cpuUsage();
  const [a, b] = difference(first.join(' '), second.join(' '))!;
  expect(a.filter(({ differs }) => !differs).map(({ text }) => text.trim())).toEqual(
    first.filter((_, i) => i % 4 === 0),
  );
  expect(textOf(b)).toBe(second.join(' '));
  expect(difference(words('a'), words('b'))).toBeUndefined();
  // Processor time: other work on the machine does not count.
  expect(process.cpuUsage(before).user / 1e6).toBeLessThan(5);
});
