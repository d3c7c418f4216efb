/** What all operators are written with: checks, and nodes with one result. */
import type { ElementType } from '../../format/format.ts';
import type { Shape } from '../shape.ts';
import type { Contribution, Graph, Node, NodeOptions, Tensor, Vjp } from '../tensor.ts';

/** @throws Error that names the operator, when `condition` is false */
export function check(condition: boolean, operator: string, problem: string): asserts condition {
  if (!condition) throw new Error(`${operator}: ${problem}`);
}

/** The element type that all `tensors` have. @throws Error when they differ */
export function sameType(operator: string, ...tensors: Tensor[]): ElementType {
  const types = new Set(tensors.map((tensor) => tensor.type));
  check(types.size === 1, operator, `takes tensors of one type, not ${[...types].join(' and ')}`);
  return tensors[0].type;
}

/** Appends a node with one result. @param type of the result; default: that of the first input */
export function one(
  g: Graph,
  opType: string,
  inputs: (Tensor | undefined)[],
  shape: Shape,
  { type = inputs[0]!.type, ...options }: NodeOptions & { type?: ElementType } = {},
): Tensor {
  return g.emit(opType, inputs, [{ type, shape }], options)[0];
}

/** The vjp of an operator with one output. @param build gets the output's cotangent `dy` */
export const vjpOf =
  (build: (g: Graph, dy: Tensor, node: Node) => (Contribution | undefined)[]): Vjp =>
  (g, node, [dy]) =>
    build(g, dy!, node);
