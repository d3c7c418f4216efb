/** Demonstrations as a training task: supervised fine-tuning on the completion's tokens. */
import * as ops from '../graph/ops.ts';
import type { Group } from '../packing.ts';
import type { Example, TrainingTask } from './task.ts';

/** The assistant's tokens: in a conversation of several turns what others say stands between them. */
const trainedTokens = ({ responses: [response], trained }: Group) =>
  trained?.[0] ? trained[0].filter(Boolean).length : response.length;

const completionTokens = (batch: Example[]) => batch.reduce((total, { group }) => total + trainedTokens(group), 0);

/** The loss is the mean over a batch's completion tokens of -log pi(token). */
export function demonstrationTask(examples: Example[]): TrainingTask<Example> {
  return {
    examples,
    loss: (g, logps) => ops.neg(g, ops.reduceSum(g, logps, 0, false)),
    feeds: () => ({}),
    scale: (batch) => 1 / completionTokens(batch),
    metrics: (batch) => ({ completion_tokens: completionTokens(batch) }),
  };
}
