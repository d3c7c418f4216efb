/** The message of an InputError is one line, also if it quotes input with line breaks. */
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

test('a word that is too long loses its middle', () => {
  const { message } = new InputError(`a.jsonl has the key "${'💥'.repeat(10_000)}"; remove it.`);
  expect(message).toMatch(/^a\.jsonl has the key "(💥){49}\ufffd? \[…\] \ufffd?(💥){19}"; remove it\.$/u);
});

test('so does a sentence: its beginning names the place, its end says what to do', () => {
  const { message } = new InputError(`a.jsonl has the key "${'a key '.repeat(10_000)}"; remove it.`);
  expect(message).toMatch(/^a\.jsonl has the key "(a key )+[a key]* \[…\] [a key]*( a key)+ "; remove it\.$/);
  expect(message).toHaveLength(600 + ' […] '.length + 400);
});
