/** Supervised fine-tuning as a training task. */
import * as ops from '../graph/ops.ts';
import type { Group } from '../packing.ts';
import type { Example, TrainingTask } from './task.ts';

/** The number of the assistant's tokens. Between those of a conversation's turns are other tokens, which are not trained on. */
const trainedTokens = ({ responses: [response], trained }: Group) =>
  trained?.[0] ? trained[0].filter(Boolean).length : response.length;

const completionTokens = (batch: Example[]) => batch.reduce((total, { group }) => total + trainedTokens(group), 0);

/** Supervised fine-tuning on demonstrations: the loss is the mean of -log pi(token) over a batch's completion tokens. */
export function demonstrationTask(examples: Example[]): TrainingTask<Example> {
  return {
    examples,
    loss: (g, logps) => ops.neg(g, ops.reduceSum(g, logps, 0, false)),
    feeds: () => ({}),
    scale: (batch) => 1 / completionTokens(batch),
    metrics: (batch) => ({ completion_tokens: completionTokens(batch) }),
  };
}
