/** What the trainer is told of the thing it trains for. */
import type { Graph, Tensor } from '../graph/tensor.ts';
import type { Group } from '../packing.ts';
import type { Feeds } from '../session.ts';

/** A row to train on, tokenized. */
export interface Example {
  group: Group;
}

/** A loss over examples. A batch's loss is the sum over its examples, times `scale`. */
export interface TrainingTask<E extends Example> {
  examples: E[];
  /**
   * The summed loss of a micro-batch, a scalar; may add inputs, which `feeds` then supplies.
   * @param logps log-probabilities of the micro-batch's responses, in order, [N]
   */
  loss(g: Graph, logps: Tensor): Tensor;
  feeds(examples: E[]): Feeds;
  /** What an optimizer batch's summed loss is multiplied by. */
  scale(batch: E[]): number;
  /**
   * Metrics of an optimizer batch, named as TRL logs them.
   * @param logps of each example's responses under the policy that the step started from
   */
  metrics(batch: E[], logps: number[][]): Record<string, number>;
}
