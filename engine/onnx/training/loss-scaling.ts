/** Loss scaling: gradients through a model that computes in float16, whose smallest numbers are larger than most gradients. */
import { gradient, vjp } from '../graph/gradient.ts';
import * as ops from '../graph/ops.ts';
import type { Graph, Tensor } from '../graph/tensor.ts';

/** Replaces a largest derivative of zero, which would be divided by. */
const SMALLEST = 1e-30;

/**
 * Loss scaling (arXiv 1710.03740, section 3.2) that needs no search for the scale. The loss depends on the parameters only through
 * the responses' log-probabilities, and its derivatives with respect to those are computed in float32 before the model is
 * differentiated. They are divided by the largest of them in absolute value, so that what flows back through the model is of the
 * size of the gradient of one response's log-probability. The parameters' float32 gradients are multiplied by it again.
 *
 * @param loss float32 []
 * @param logps float32 [N], through which `loss` depends on the parameters
 * @param wrt the parameters, float32
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
  const [derivatives] = gradient(g, loss, [logps]);
  // max |x| = -min(x, -x)
  const negated = ops.min(g, derivatives, ops.neg(g, derivatives));
  const largest = ops.neg(g, ops.min(g, ops.reduceMin(g, negated, 0, false), g.scalar(-SMALLEST)));
  const scaled = vjp(g, logps, ops.div(g, derivatives, largest), wrt);
  return scaled.map((sum, i) => ops.add(g, onto.get(wrt[i])!, ops.mul(g, sum, largest)));
}
