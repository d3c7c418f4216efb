/** What Temporal's UI shows of a round that waits for people. */
import { expect, test, vi } from 'vitest';
import { describeRun } from '../../workflows/details.ts';
import type { RunStatus } from '../../workflows/status.ts';

test('votes that skips have used up are told, and the end does not wait for them', () => {
  vi.useFakeTimers({ now: Date.parse('2026-11-29T12:00:00Z') });
  const first = '2026-11-29T11:00:00Z';
  const voting = { round: 1, questions: '', blocks: 1, asked: 12, votes: 4, usedUp: 4, first, byPerson: { ann: 4 } };
  const lines = describeRun({ state: 'running', rounds: 1, results: [], voting } as unknown as RunStatus).split('\n');
  vi.useRealTimers();
  expect(lines.slice(1, 5)).toEqual([
    '- waits for people: at least 4 of 12 votes are in, 1 workflows `votes-…` take them',
    '- 4 of the 12 will not come: skips have used them up',
    '- votes by ann 4',
    '- 4.0 votes an hour since the first one: all by 2026-11-29T13:00:00.000Z',
  ]);
});
