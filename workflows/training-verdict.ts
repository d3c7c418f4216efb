/** What is to be known of a round's training: that it changed nothing, or had few steps. */
import type { OptimizeSummary } from '../activities/optimize.ts';
import { fewStepsWarning } from '../engine/training/steps.ts';
import type { RunConfig } from './config.ts';
import type { Verdict } from './gate.ts';

/**
 * @param preferences how many the round has trained on
 * @param learningRate the round's
 */
export function judgeTraining(
  settings: Pick<RunConfig['optimize'], 'batchSize' | 'epochs'>,
  preferences: number,
  learningRate: number,
  { steps, unchanged }: OptimizeSummary,
): Verdict {
  const few = fewStepsWarning('only', preferences, 'preferences', settings);
  return {
    reasons: unchanged ? [`Its weights equal those of the policy it started from: training changed nothing (optimizer steps: ${steps}, optimize.learningRate: ${learningRate}); raise optimize.learningRate.`] : [], // prettier-ignore
    warnings: few === undefined ? [] : [few],
  };
}
