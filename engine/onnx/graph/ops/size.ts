/** Sizes of dimensions as tensors, and tensors made from nothing but their size. */
import { terms, type Dim, type Shape } from '../shape.ts';
import type { Graph, Tensor } from '../tensor.ts';
import { add, mul } from './elementwise.ts';
import { one } from './emit.ts';

/** The size of a dimension at run time, int64 [1]. A symbolic one is computed from the sizes that it names. */
export function sizeOf(g: Graph, dim: Dim): Tensor {
  if (typeof dim === 'number') return g.ints([dim]);
  const parts = terms(dim).map(({ factor, names }) => {
    const known = factor === 1 && names.length > 0 ? [] : [g.ints([factor])];
    return [...known, ...names.map((name) => g.dim(name))].reduce((a, b) => mul(g, a, b));
  });
  return parts.reduce((a, b) => add(g, a, b));
}

/** The sizes of several dimensions, int64 [n]. */
export function sizesOf(g: Graph, dims: Shape): Tensor {
  const sizes = dims.map((dim) => sizeOf(g, dim));
  return one(g, 'Concat', sizes, [dims.length], { type: 'int64', attributes: { axis: 0 } });
}

/** int64 [0, 1, ..., size - 1]. */
export function range(g: Graph, size: Dim): Tensor {
  const [zero, step] = [g.ints([0], []), g.ints([1], [])];
  const limit = one(g, 'Squeeze', [sizeOf(g, size)], []);
  return one(g, 'Range', [zero, limit, step], [size], { type: 'int64' });
}

/** Zeros of a shape, float32. */
export function zeros(g: Graph, shape: Shape): Tensor {
  return one(g, 'ConstantOfShape', [sizesOf(g, shape)], shape, { type: 'float32' });
}
