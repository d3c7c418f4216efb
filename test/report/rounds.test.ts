/** What is said of a run's rounds beside their numbers. */
import { expect, test } from 'vitest';
import { roundNotes } from '../../report/rounds.ts';
import type { RoundResult, RunStatus } from '../../workflows/status.ts';

const round = (number: number, counts?: Record<string, number>) =>
  ({ round: number, accepted: true, reasons: [], warnings: [], label: { ...(counts && { counts }) } }) as unknown as RoundResult; // prettier-ignore

test('answers of the judge without a verdict are told of, with what to do', () => {
  const results = [round(1), round(2, { judgements: 8, refused: 0, unparsed: 3, truncated: 3 })];
  expect(roundNotes({ results } as RunStatus)).toEqual([
    "Round 2: 3 of the judge's answers were cut before a verdict: raise maxTokens (--judge-max-tokens).",
  ]);
});
