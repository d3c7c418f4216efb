/** Gradients through a model that computes in float16, whose smallest numbers are larger than most gradients of a loss. */
import { gradient, vjp } from '../graph/gradient.ts';
import * as ops from '../graph/ops.ts';
import type { Graph, Tensor } from '../graph/tensor.ts';

/** No loss is so flat: stands in for a largest slope of zero, which would be divided by. */
const FLAT = 1e-30;

/**
 * Loss scaling (arXiv 1710.03740) without a scale to search for. A loss is a function of the responses' log-probabilities, and its
 * slopes with respect to those are known in float32 before anything of the model is differentiated. They are divided by the
 * largest of them, so that what flows back through the model is as large as the gradient of one response's log-probability, and
 * the parameters' float32 gradients are multiplied by it.
 *
 * @param logps float32 [N], what `loss` depends on the parameters through
 * @param onto tensors, by parameter, that the gradients are added to
 * @returns one float32 tensor per entry of `wrt`
 */
export function scaledGradient(
  g: Graph,
  loss: Tensor,
  logps: Tensor,
  wrt: Tensor[],
  onto: Map<Tensor, Tensor>,
): Tensor[] {
  const [slopes] = gradient(g, loss, [logps]);
  const negated = ops.min(g, slopes, ops.neg(g, slopes));
  const largest = ops.neg(g, ops.min(g, ops.reduceMin(g, negated, 0, false), g.scalar(-FLAT)));
  const sums = vjp(g, logps, ops.div(g, slopes, largest), wrt);
  return sums.map((sum, i) => ops.add(g, onto.get(wrt[i])!, ops.mul(g, sum, largest)));
}
