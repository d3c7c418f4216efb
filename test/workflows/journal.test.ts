import { expect, test } from 'vitest';
import { currentJournal, newJournal } from '../../workflows/journal.ts';

test('the journal of an earlier version keeps what an operator requested', () => {
  const { requested, ...rest } = currentJournal({ ...newJournal(), asked: 'pause' });
  expect([requested, rest]).toEqual(['pause', newJournal()]);
});
