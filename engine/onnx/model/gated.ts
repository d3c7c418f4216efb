/** The gate of the feed-forward layers (arXiv 2002.05202). */
import * as ops from '../graph/ops.ts';
import type { Graph, Tensor, Rule } from '../graph/tensor.ts';

/** silu(gate) * up. The backward pass computes silu(gate) again rather than keep it: it is as wide as the layer. */
export function gatedSilu(g: Graph, gate: Tensor, up: Tensor): Tensor {
  const build = () => [ops.mul(g, ops.silu(g, gate), up)];
  // silu(x) = x s, silu'(x) = silu(x) + s (1 - silu(x)), s = sigmoid(x)
  const rule: Rule = (g, _node, [dy]) => {
    const s = ops.sigmoid(g, gate);
    const y = ops.mul(g, gate, s);
    const onto = (sum: Tensor | undefined, part: Tensor) => (sum ? ops.add(g, sum, part) : part);
    const slope = () => ops.add(g, y, ops.mul(g, s, ops.sub(g, ops.cast(g, g.scalar(1), y.type), y)));
    return [(sum) => onto(sum, ops.mul(g, ops.mul(g, dy!, up), slope())), (sum) => onto(sum, ops.mul(g, dy!, y))];
  };
  return g.composite('GatedSilu', [gate, up], build, rule)[0];
}
