/** Recomputation: a part of a graph whose intermediate results are computed again in the backward pass, not kept for it. */
import { vjp } from './gradient.ts';
import * as ops from './ops.ts';
import { Graph, type Tensor, type Vjp } from './tensor.ts';

/**
 * Builds `y = part(g, x)` so that only `y` outlives the forward pass (arXiv 1604.06174): less memory, for one more forward pass.
 *
 * gradient() sees the part as one node. Its vjp builds the part again, in the body of a loop of one iteration, and differentiates
 * it there. The loop keeps the runtime from merging the two computations and from starting the second early, and frees all of it
 * when the body ends.
 *
 * @param part appends operators to the graph it is given; besides `x` it may use tensors of `g`, such as parameters
 */
export function recomputed(g: Graph, x: Tensor, part: (g: Graph, x: Tensor) => Tensor): Tensor {
  // Built once in a graph that is thrown away, to see which tensors of `g` it uses.
  const rehearsal = new Graph(g);
  part(rehearsal, x);
  const inputs = [...new Set([x, ...tensorsFromOutside(rehearsal)])];

  const recomputedVjp: Vjp = (g, _node, [dy], wanted) => {
    const { scan } = ops.loop(g, g.ints([1], []), [], [], 1, (b) => {
      const y = part(b, x);
      return { state: [], scan: vjp(b, y, dy!, wanted) };
    });
    // A scanned value has an axis for the loop's one iteration in front.
    const cotangents = new Map(wanted.map((input, i) => [input, ops.reshape(g, scan[i], input.shape)]));
    return inputs.map((input) => {
      const cotangent = cotangents.get(input);
      return cotangent && (() => cotangent);
    });
  };
  return g.composite('Recomputed', inputs, () => [part(g, x)], recomputedVjp)[0];
}

/** Tensors that nodes of a graph use and none of them computes. */
function tensorsFromOutside(graph: Graph): Tensor[] {
  const computed = new Set(graph.tape.flatMap(({ outputs }) => outputs));
  const used = graph.tape.flatMap(({ inputs }) => inputs);
  return used.filter((input) => input !== undefined && !computed.has(input)) as Tensor[];
}
