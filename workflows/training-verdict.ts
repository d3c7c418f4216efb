/** Checks a round's training for unchanged weights, few steps, and dropped or truncated preferences. */
import type { OptimizeSummary } from '../activities/optimize.ts';
import { describeRowCounts, trainedRows } from '../data/row-counts.ts';
import { fewStepsWarning } from '../engine/protocol/steps.ts';
import type { RunConfig } from '../config/run.ts';
import type { Verdict } from './gate.ts';

/** Checks a training. @param learningRate the round's learning rate, from the list in `optimize.learningRate` */
export function checkTraining(
  settings: Pick<RunConfig['optimize'], 'batchSize' | 'epochs'>,
  learningRate: number,
  { steps, unchanged, rows }: OptimizeSummary,
): Verdict {
  const few = fewStepsWarning('only', trainedRows(rows), 'preference', settings);
  return {
    reasons: unchanged
      ? [
          `Its weights equal those of the policy it started from: training changed nothing ` +
            `(optimizer steps: ${steps}, optimize.learningRate: ${learningRate}); raise optimize.learningRate.`,
        ]
      : [],
    warnings: [...(few === undefined ? [] : [few]), ...describeRowCounts(rows)],
  };
}
