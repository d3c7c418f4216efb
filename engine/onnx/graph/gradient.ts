/**
 * Reverse-mode differentiation: appends the backward pass of a graph as ordinary nodes.
 *
 * Each operator declares its vector-Jacobian product beside its forward definition (ops/), and each composite its own. This file
 * only walks the tape backwards and adds up the cotangents. Where a pattern of operators has a cheaper backward pass than the
 * operators one by one, a rewrite says so (rewrites/).
 */
import * as ops from './ops.ts';
import { narrowProduct } from './rewrites/narrow-product.ts';
import { normalizedProduct } from './rewrites/normalized-product.ts';
import { format } from './shape.ts';
import type { Contribution, Graph, Node, Tensor, Vjp } from './tensor.ts';

/** In order: the first that matches a node is used. */
const REWRITES = [normalizedProduct, narrowProduct];

/**
 * Appends the gradients of a scalar `loss` with respect to `wrt` to the graph.
 * @param onto tensors, by parameter, that the gradients are added onto: for accumulation over micro-batches
 * @returns one tensor per entry of `wrt`, of its shape
 * @throws Error when an operator between them has no vjp, or a parameter does not influence the loss
 */
export function gradient(g: Graph, loss: Tensor, wrt: Tensor[], onto: Map<Tensor, Tensor> = new Map()): Tensor[] {
  if (loss.shape.length !== 0) throw new Error(`gradient: the loss is a scalar, not ${format(loss.shape)}`);
  return vjp(g, loss, g.scalar(1), wrt, onto);
}

/**
 * Appends the vector-Jacobian product of everything between `wrt` and `y`: from the gradient of some loss with respect to `y` to
 * its gradients with respect to `wrt`.
 * @param cotangent the gradient with respect to `y`, of its shape
 * @param onto as in gradient()
 * @returns one tensor per entry of `wrt`, of its shape
 * @throws Error as gradient() does
 */
export function vjp(
  g: Graph,
  y: Tensor,
  cotangent: Tensor,
  wrt: Tensor[],
  onto: Map<Tensor, Tensor> = new Map(),
): Tensor[] {
  const { path, influenced } = pathFrom(g, wrt);
  const cotangents = new Map<Tensor, Tensor>(onto);
  const reached = new Set<Tensor>([y]);
  cotangents.set(y, cotangent);
  for (const node of path.toReversed()) {
    const ofOutputs = node.outputs.map((output) => cotangents.get(output));
    if (ofOutputs.every((output) => output === undefined)) continue;
    const wanted = node.inputs.filter((input) => input !== undefined && influenced.has(input)) as Tensor[];
    for (const [i, contribution] of vjpOf(g, node)(g, node, ofOutputs, wanted).entries()) {
      const input = node.inputs[i];
      if (!input || !contribution || !influenced.has(input)) continue;
      cotangents.set(input, accumulated(g, input, contribution, cotangents.get(input)));
      reached.add(input);
    }
  }
  return wrt.map((parameter) => {
    if (!reached.has(parameter)) throw new Error(`gradient: ${parameter.name} does not influence the loss`);
    return cotangents.get(parameter)!;
  });
}

/** The nodes that depend on `wrt`, in order, and all tensors that do. */
function pathFrom(g: Graph, wrt: Tensor[]): { path: Node[]; influenced: Set<Tensor> } {
  const influenced = new Set(wrt);
  const path = g.tape.filter((node) => {
    const depends = node.inputs.some((input) => input && influenced.has(input));
    if (depends) for (const output of node.outputs) influenced.add(output);
    return depends;
  });
  return { path, influenced };
}

function vjpOf(g: Graph, node: Node): Vjp {
  const chosen = REWRITES.find((rewrite) => rewrite.matches(g, node))?.vjp ?? node.vjp;
  if (!chosen) throw new Error(`gradient: the operator ${node.opType} has no vjp`);
  return chosen;
}

function accumulated(g: Graph, input: Tensor, contribution: Contribution, sum: Tensor | undefined): Tensor {
  if (typeof contribution !== 'function') return contribution.addedTo(sum);
  const cotangent = unbroadcast(g, contribution(), input);
  return sum ? ops.add(g, sum, cotangent) : cotangent;
}

/** Sums a cotangent over the axes along which `input` was broadcast. */
function unbroadcast(g: Graph, cotangent: Tensor, input: Tensor): Tensor {
  if (format(cotangent.shape) === format(input.shape)) return cotangent;
  let reduced = cotangent;
  while (reduced.shape.length > input.shape.length) reduced = ops.reduceSum(g, reduced, 0, false);
  for (const [axis, dim] of input.shape.entries()) {
    if (dim === 1 && reduced.shape[axis] !== 1) reduced = ops.reduceSum(g, reduced, axis);
  }
  return reduced;
}
