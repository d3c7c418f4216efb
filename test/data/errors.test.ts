/** The message of an input error is one line, whatever it repeats. */
import { expect, test } from 'vitest';
import { InputError } from '../../data/errors.ts';

test.each([
  ['a.jsonl is empty; it needs  a row.', 'a.jsonl is empty; it needs  a row.'],
  ['has "a\n\n\tb\u2028c"', 'has "a b c"'],
  ['has "\u001b[31m\0\u009b"', 'has "\\x1b[31m\\x00\\x9b"'],
  ['has half a pair \ud83d.', 'has half a pair \ufffd.'],
])('%j', (message, shown) => {
  expect(new InputError(message).message).toBe(shown);
});

test('what is too long is left out in the middle: the beginning names the place, the end says what to do', () => {
  const { message } = new InputError(`a.jsonl has the key "${'💥'.repeat(10_000)}"; remove it.`);
  expect(message).toHaveLength(500);
  expect(message).toMatch(/^a\.jsonl has the key "(💥)+\ufffd? \[…\] \ufffd?(💥)+"; remove it\.$/u);
});
