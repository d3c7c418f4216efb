/** Trading time for memory: what a part of a graph computes on the way is not kept for the backward pass but computed again. */
import { pullBack } from './gradient.ts';
import * as ops from './ops.ts';
import { Graph, type Tensor, type Rule } from './tensor.ts';

/**
 * Builds `y = part(g, x)` so that of all it computes only `y` outlives the forward pass (arXiv 1604.06174).
 *
 * The backward pass computes the part again in the body of a loop of one iteration. So the runtime can neither merge the two
 * computations, nor do the second before its turn, and frees all of it when the body ends.
 *
 * @param part appends operators to the graph it is given; may use tensors of `g`, parameters say, besides `x`
 */
export function recomputed(g: Graph, x: Tensor, part: (g: Graph, x: Tensor) => Tensor): Tensor {
  // Built once on the side, to see which tensors of the graph it takes.
  const rehearsal = new Graph(g);
  part(rehearsal, x);
  const inputs = [...new Set([x, ...takenFrom(rehearsal)])];

  const rule: Rule = (g, _node, [dy], wanted) => {
    const { scan } = ops.loop(g, g.ints([1], []), [], [], 1, (b) => {
      const y = part(b, x);
      return { state: [], scan: pullBack(b, y, dy!, wanted) };
    });
    const gradients = new Map(wanted.map((input, i) => [input, ops.reshape(g, scan[i], input.shape)]));
    return inputs.map((input) => {
      const gradient = gradients.get(input);
      return gradient && ((sum?: Tensor) => (sum ? ops.add(g, sum, gradient) : gradient));
    });
  };
  return g.composite('Recomputed', inputs, () => [part(g, x)], rule)[0];
}

/** Tensors that nodes of a graph use and none of them makes. */
function takenFrom(graph: Graph): Tensor[] {
  const made = new Set(graph.tape.flatMap(({ outputs }) => outputs));
  const used = graph.tape.flatMap(({ inputs }) => inputs);
  return used.filter((input) => input !== undefined && !made.has(input)) as Tensor[];
}
