import { expect, test } from 'vitest';
import { stepTimes, type ActivityTime } from '../../report/times.ts';

/** In seconds since the run began. */
const activity = (
  name: string,
  model: boolean,
  scheduled: number,
  started: number,
  ended: number,
  round?: number,
): ActivityTime => ({
  ...(round !== undefined && { round }),
  name,
  model,
  scheduled: scheduled * 1000,
  started: started * 1000,
  ended: ended * 1000,
});

test("activities are counted to their round's steps: the wall's time, and the workers'", () => {
  const times = stepTimes([
    activity('prepare', false, 0, 0, 2),
    activity('sample', true, 2, 3, 5),
    activity('sample', true, 10, 10, 20, 1),
    activity('sample', true, 10, 20, 31, 1),
    activity('label', false, 31, 31, 32, 1),
    activity('prefer', false, 32, 32, 34, 1),
    activity('optimize', true, 34, 35, 95, 1),
    activity('sample', true, 95, 96, 100, 1),
    activity('judge', false, 100, 100, 101, 1),
    activity('evaluate', false, 101, 102, 103, 1),
    activity('publish', false, 110, 110, 111),
  ]);
  expect(times).toEqual([
    { step: 'start', seconds: 5, modelSeconds: 2, controlSeconds: 2 },
    { round: 1, step: 'sample', seconds: 21, modelSeconds: 21, controlSeconds: 0 },
    { round: 1, step: 'label', seconds: 3, modelSeconds: 0, controlSeconds: 3 },
    { round: 1, step: 'optimize', seconds: 61, modelSeconds: 60, controlSeconds: 0 },
    { round: 1, step: 'evaluate', seconds: 8, modelSeconds: 4, controlSeconds: 2 },
    { step: 'end', seconds: 1, modelSeconds: 0, controlSeconds: 1 },
  ]);
});
