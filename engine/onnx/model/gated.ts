/** The gate of the feed-forward layers. */
import * as ops from '../graph/ops.ts';
import type { Graph, Tensor, Vjp } from '../graph/tensor.ts';

/**
 * silu(gate) up, the product inside SwiGLU (arXiv 2002.05202, equation 5). The backward pass computes silu(gate) again rather than
 * keep it: it has the width of the feed-forward layer.
 *
 *     silu(x) = x s    silu'(x) = silu(x) + s (1 - silu(x))    s = sigmoid(x)
 *
 * @param gate,up [N, intermediateSize]
 * @returns [N, intermediateSize]
 */
export function gatedSilu(g: Graph, gate: Tensor, up: Tensor): Tensor {
  const build = () => [ops.mul(g, ops.silu(g, gate), up)];
  const vjp: Vjp = (g, _node, [dy]) => {
    const s = ops.sigmoid(g, gate);
    const y = ops.mul(g, gate, s);
    const derivative = () => ops.add(g, y, ops.mul(g, s, ops.sub(g, g.scalar(1), y)));
    return [() => ops.mul(g, ops.mul(g, dy!, up), derivative()), () => ops.mul(g, dy!, y)];
  };
  return g.composite('GatedSilu', [gate, up], build, vjp)[0];
}
