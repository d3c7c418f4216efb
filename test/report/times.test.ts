import { expect, test } from 'vitest';
import { metricsRows } from '../../report/metrics.ts';
import { duration, endOf, stepTimes, type ActivityTime } from '../../report/times.ts';
import type { RunStatus } from '../../workflows/status.ts';

/** Times in seconds since the run began. */
const activity = (
  step: ActivityTime['step'],
  model: boolean,
  [scheduled, started, ended]: [number, number, number],
  round?: number,
): ActivityTime => ({
  ...(round !== undefined && { round }),
  step,
  model,
  scheduled: scheduled * 1000,
  started: started * 1000,
  ended: ended * 1000,
});

test("a step takes the time between its first and its last activity, and its activities' time of workers", () => {
  const times = stepTimes([
    activity('prepare', false, [0, 0, 2]),
    activity('start', true, [2, 3, 5]),
    activity('sample', true, [10, 10, 20], 1),
    activity('sample', true, [10, 20, 31], 1),
    activity('label', false, [31, 31, 32], 1),
    activity('label', false, [32, 32, 34], 1),
    activity('optimize', true, [34, 35, 95], 1),
    // Activities of one step may run while another step's do: what belongs together is told, not guessed.
    activity('evaluate', true, [90, 91, 95], 1),
    activity('evaluate', false, [100, 100, 101], 1),
    activity('evaluate', false, [101, 102, 103], 1),
    activity('prepare', false, [104, 104, 105], 2),
    activity('publish', false, [110, 110, 111]),
    activity('release', false, [111, 112, 114]),
  ]);
  expect(times).toEqual([
    { step: 'prepare', seconds: 2, modelSeconds: 0, controlSeconds: 2 },
    { step: 'start', seconds: 3, modelSeconds: 2, controlSeconds: 0 },
    { round: 1, step: 'sample', seconds: 21, modelSeconds: 21, controlSeconds: 0 },
    { round: 1, step: 'label', seconds: 3, modelSeconds: 0, controlSeconds: 3 },
    { round: 1, step: 'optimize', seconds: 61, modelSeconds: 60, controlSeconds: 0 },
    { round: 1, step: 'evaluate', seconds: 13, modelSeconds: 4, controlSeconds: 2 },
    { round: 2, step: 'prepare', seconds: 1, modelSeconds: 0, controlSeconds: 1 },
    { step: 'publish', seconds: 1, modelSeconds: 0, controlSeconds: 1 },
    { step: 'release', seconds: 3, modelSeconds: 0, controlSeconds: 2 },
  ]);
});

test.each([
  [0.04, '0.0 s'],
  [59.94, '59.9 s'],
  [59.96, '1 min 0 s'],
  [119.4, '1 min 59 s'],
  [119.6, '2 min 0 s'],
  [3599.4, '59 min 59 s'],
  [3599.6, '1 h 0 min'],
  [5399, '1 h 30 min'],
])('%f seconds are %s', (seconds, text) => {
  expect(duration(seconds)).toBe(text);
});

// TensorBoard takes a row without a time for one of 1970, and draws it decades before the others.
test('the measurement of the start policy has a time, as the rounds have', () => {
  const activities = [
    activity('prepare', false, [0, 0, 2]),
    activity('start', true, [2, 3, 5]),
    activity('start', false, [5, 5, 6.5]),
    activity('sample', true, [10, 10, 20], 1),
    activity('release', false, [21, 22, 23]),
  ];
  expect([0, 1, 2].map((round) => endOf(activities, round))).toEqual([6.5, 20, undefined]);
  const status = { start: { meanScore: 0.5, meanTokens: 7 }, results: [] } as unknown as RunStatus;
  expect(metricsRows(status, [], (round) => endOf(activities, round))).toEqual([
    { step: 0, time: 6.5, metrics: { 'eval/score': 0.5, 'eval/tokens': 7 } },
  ]);
});
