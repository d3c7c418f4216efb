/** Learning rates against PyTorch's and transformers' schedulers (see test/fixtures/optimizer). */
import { describe, expect, test } from 'vitest';
import { trainingSchema, type TrainingSettings } from '../../../engine/protocol/settings.ts';
import { learningRateAt } from '../../../engine/training/schedule.ts';
import { fixture, readJson } from '../reference-case.ts';

interface Recorded {
  schedule: TrainingSettings['schedule'];
  steps: number;
  warmup_ratio: number;
  learning_rate: number;
  rates: number[];
}

const rates = (settings: TrainingSettings, steps: number) =>
  Array.from({ length: steps }, (_, step) => learningRateAt(step, steps, settings));

describe('every step has the learning rate that PyTorch and transformers give it', () => {
  test.each(readJson<Recorded[]>(fixture('optimizer/schedules.json')))(
    '$schedule, $steps steps, warm-up $warmup_ratio',
    ({ schedule, steps, warmup_ratio: warmupRatio, learning_rate: learningRate, rates: wanted }) => {
      const actual = rates(trainingSchema.parse({ schedule, warmupRatio, learningRate }), steps);
      for (const [step, rate] of wanted.entries()) expect(actual[step], `step ${step}`).toBeCloseTo(rate, 12);
    },
  );
});

test.each(['cosine', 'linear', 'constant'] as const)('%s: no step has the rate 0', (schedule) => {
  for (const warmupRatio of [0, 0.1, 0.5, 1]) {
    for (const steps of [1, 2, 3, 10]) {
      expect(Math.min(...rates(trainingSchema.parse({ schedule, warmupRatio }), steps))).toBeGreaterThan(0);
    }
  }
});

test.each([
  ['cosine', 0.1],
  ['linear', 0.1],
  ['constant', 0],
] as const)('%s warms up over %d of the steps where nothing is said', (schedule, warmupRatio) => {
  const [unsaid, said] = [{ schedule }, { schedule, warmupRatio }].map((settings) => trainingSchema.parse(settings));
  expect(rates(unsaid, 30)).toEqual(rates(said, 30));
});
