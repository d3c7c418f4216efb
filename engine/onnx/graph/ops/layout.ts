/** Operators that rearrange elements: reshape, transpose, broadcast, join and cut. */
import { axisOf, broadcast, format, product, sum, type Dim, type Shape } from '../shape.ts';
import type { Graph, Tensor, Vjp } from '../tensor.ts';
import { check, one, sameType, vjpOf } from './emit.ts';
import { sizesOf, zeros } from './size.ts';

/**
 * The shape argument of Reshape: a constant where all sizes but one are known or equal to that of `x` at the same axis, else
 * computed at run time. `allowzero` says whether a zero in it is a size (1) or stands for the size in `x` (0).
 */
function shapeArgument(g: Graph, shape: Shape, x: Shape): { sizes: Tensor; allowzero: 0 | 1 } {
  const COPY = 0;
  const INFER = -1;
  let inferred = 0;
  const fixed = shape.map((dim, i) => {
    if (typeof dim === 'number' && dim > 0) return dim;
    if (dim === x[i]) return COPY;
    inferred++;
    return INFER;
  });
  return inferred <= 1 ? { sizes: g.ints(fixed), allowzero: 0 } : { sizes: sizesOf(g, shape), allowzero: 1 };
}

const reshapeVjp = vjpOf((g, dy, { inputs: [x] }) => [() => reshape(g, dy, x!.shape), undefined]);

/** The elements of `x`, in their order, in another shape. */
export function reshape(g: Graph, x: Tensor, shape: Shape): Tensor {
  check(product(x.shape) === product(shape), 'Reshape', `${format(x.shape)} does not fit ${format(shape)}`);
  const { sizes, allowzero } = shapeArgument(g, shape, x.shape);
  return one(g, 'Reshape', [x, sizes], shape, { attributes: { allowzero }, vjp: reshapeVjp });
}

const transposeVjp = vjpOf((g, dy, { attributes }) => {
  const permutation = (attributes['perm'] as bigint[]).map(Number);
  const inverse = permutation.map((_, axis) => permutation.indexOf(axis));
  return [() => transpose(g, dy, inverse)];
});

/** Axis i of the result is axis `permutation[i]` of `x`. */
export function transpose(g: Graph, x: Tensor, permutation: number[]): Tensor {
  const valid = permutation.toSorted((a, b) => a - b).every((axis, i) => axis === i);
  check(
    valid && permutation.length === x.shape.length,
    'Transpose',
    `${permutation} does not permute ${format(x.shape)}`,
  );
  const shape = permutation.map((axis) => x.shape[axis]);
  return one(g, 'Transpose', [x], shape, { attributes: { perm: permutation.map(BigInt) }, vjp: transposeVjp });
}

/** `x` broadcast to `shape`. */
export function expand(g: Graph, x: Tensor, shape: Shape): Tensor {
  const fits = format(broadcast('Expand', x.shape, shape)) === format(shape);
  check(fits, 'Expand', `${format(x.shape)} to ${format(shape)}`);
  return one(g, 'Expand', [x, sizesOf(g, shape)], shape);
}

/** `x` with a new axis of size 1 in front of axis `axis`. */
export function unsqueeze(g: Graph, x: Tensor, axis: number): Tensor {
  return one(g, 'Unsqueeze', [x, g.ints([axis])], x.shape.toSpliced(axis, 0, 1));
}

// All pieces are cut by one Split, when the first is wanted.
const concatVjp = vjpOf((g, dy, { inputs, attributes }) => {
  const axis = attributes['axis'] as number;
  const sizes = inputs.map((input) => input!.shape[axis]);
  let pieces: Tensor[] | undefined;
  return inputs.map((_, i) => () => (pieces ??= split(g, dy, sizes, axis))[i]);
});

/** Tensors joined along `axis`; their other dimensions are equal. */
export function concat(g: Graph, tensors: Tensor[], axis: number): Tensor {
  const at = axisOf('Concat', tensors[0].shape, axis);
  for (const { shape } of tensors) {
    const fits =
      shape.length === tensors[0].shape.length && shape.every((d, i) => i === at || d === tensors[0].shape[i]);
    check(fits, 'Concat', `${tensors.map((t) => format(t.shape)).join(', ')} along axis ${axis}`);
  }
  const shape = tensors[0].shape.with(at, sum(tensors.map((tensor) => tensor.shape[at])));
  const type = sameType('Concat', ...tensors);
  return one(g, 'Concat', tensors, shape, { type, attributes: { axis: at }, vjp: concatVjp });
}

const splitVjp: Vjp = (g, { outputs, attributes }, cotangents) => {
  const pieces = () => outputs.map(({ shape }, i) => cotangents[i] ?? zeros(g, shape));
  return [() => concat(g, pieces(), attributes['axis'] as number), undefined];
};

/** `x` cut along `axis` into pieces of the given sizes. */
export function split(g: Graph, x: Tensor, sizes: Dim[], axis: number): Tensor[] {
  const at = axisOf('Split', x.shape, axis);
  check(sum(sizes) === x.shape[at], 'Split', `${format(x.shape)} along axis ${axis} into ${sizes.join(', ')}`);
  const lengths = sizes.every((size) => typeof size === 'number') ? g.ints(sizes) : sizesOf(g, sizes);
  const outputs = sizes.map((size) => ({ type: x.type, shape: x.shape.with(at, size) }));
  return g.emit('Split', [x, lengths], outputs, { attributes: { axis: at }, vjp: splitVjp });
}

/**
 * The part of `x` along `axis` from index `start` up to `end`, the last not included.
 * @param start,end int64 [1]
 * @param size the dimension end - start, which the caller names
 */
export function slice(g: Graph, x: Tensor, axis: number, start: Tensor, end: Tensor, size: Dim): Tensor {
  const at = axisOf('Slice', x.shape, axis);
  return one(g, 'Slice', [x, start, end, g.ints([at])], x.shape.with(at, size));
}
