/** What a training optimizes: its examples, their loss, and their metrics. */
import type { Graph, Tensor } from '../graph/tensor.ts';
import type { Example } from '../../training/groups.ts';
import type { Feeds } from '../session.ts';

/** A loss over examples. A batch's loss is the sum over its examples, times `scale`. */
export interface TrainingTask<E extends Example> {
  examples: E[];
  /**
   * Appends the loss of a micro-batch, summed over its examples, float32 []. It may add inputs, which `feeds` supplies.
   * @param logps log-probabilities (nats) of the micro-batch's responses, in order, float32 [N]
   */
  loss(g: Graph, logps: Tensor): Tensor;
  /** The inputs that `loss` added, for a micro-batch. */
  feeds(examples: E[]): Feeds;
  /** The factor of a whole batch's summed loss, such as 1 / batch size. */
  scale(batch: E[]): number;
  /**
   * Metrics of a batch, named as TRL logs them.
   * @param logps log-probabilities (nats) of each example's responses under the weights before the step
   */
  metrics(batch: E[], logps: number[][]): Record<string, number>;
}
