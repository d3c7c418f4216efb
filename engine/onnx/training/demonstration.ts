/** Supervised fine-tuning as a training task. */
import * as ops from '../graph/ops.ts';
import { completionTokens, demonstrationMetrics } from '../../training/demonstrations.ts';
import type { Example } from '../../training/groups.ts';
import type { TrainingTask } from './task.ts';

/** Supervised fine-tuning on demonstrations: the loss is the mean of -log pi(token) over a batch's completion tokens. */
export function demonstrationTask(examples: Example[]): TrainingTask<Example> {
  return {
    examples,
    loss: (g, logps) => ops.neg(g, ops.reduceSum(g, logps, 0, false)),
    feeds: () => ({}),
    scale: (batch) => 1 / completionTokens(batch),
    metrics: demonstrationMetrics,
  };
}
