/** What is said of a run's rounds beside their numbers. */
import { expect, test } from 'vitest';
import { roundNotes } from '../../report/rounds.ts';
import type { RoundResult, RunStatus } from '../../workflows/status.ts';

const round = (number: number, counts?: Record<string, number>) =>
  ({
    round: number,
    accepted: true,
    reasons: [],
    warnings: [],
    label: { ...(counts && { counts }) },
  }) as unknown as RoundResult;

test('answers of the judge without a verdict are told of, with what to do', () => {
  const results = [round(1), round(2, { judgements: 8, refused: 0, unparsed: 3, truncatedJudgements: 3 })];
  expect(roundNotes({ results } as RunStatus)).toEqual([
    "Round 2: 3 of the judge's answers were cut before a verdict: raise maxTokens (--judge-max-tokens).",
  ]);
});

test('prompts that were left out, and tools that the policy does not see, are told of', () => {
  const none = { duplicates: 0, tooLong: 0, limit: 504 };
  const dropped = { train: { ...none, duplicates: 2, heldOut: 0 }, heldOut: none, ignoredTools: 3, ignoredCalls: 1 };
  expect(roundNotes({ dropped, results: [] })).toEqual([
    'Dropped training prompts: 2 repeated.',
    '3 prompts have tools, which the chat template does not write: the policy does not see them.',
    '1 prompt has tool calls that the chat template does not write: the policy does not see them.',
  ]);
});

test('a labeler that was changed after it scored the start policy is reported with the new score', () => {
  const start = { meanScore: 0 };
  const scored = { ...round(1), evaluation: { against: { opponent: { meanScore: 0.75 } } } };
  const status = (key: string) =>
    ({ start, results: [scored], changes: [{ from: 1, settings: { [key]: 'x' } }] }) as unknown as RunStatus;
  expect(roundNotes(status('label.pattern'))).toEqual([
    'Round 1: the settings of label were changed after the start policy was measured; ' +
      'with the new settings, its mean score is 0.750.',
  ]);
  expect(roundNotes(status('optimize.learningRate'))).toEqual([]);
});
