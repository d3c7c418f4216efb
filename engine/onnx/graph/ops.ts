/** The operators graphs are built of: each checks the types and shapes it is given and states its result's. */
import { elementTypes, type ElementType } from '../format/format.ts';
import { axisOf, broadcast, elements, format, sum, type Dim, type Shape } from './shape.ts';
import { MICROSOFT, Graph, type Tensor } from './tensor.ts';

function check(condition: boolean, operator: string, problem: string): asserts condition {
  if (!condition) throw new Error(`${operator}: ${problem}`);
}

function sameType(operator: string, ...tensors: Tensor[]): ElementType {
  const types = new Set(tensors.map((tensor) => tensor.type));
  check(types.size === 1, operator, `takes tensors of one type, not ${[...types].join(' and ')}`);
  return tensors[0].type;
}

/** A node with one result. */
function one(
  g: Graph,
  opType: string,
  inputs: (Tensor | undefined)[],
  shape: Shape,
  type: ElementType = inputs[0]!.type,
  attributes: Parameters<Graph['emit']>[3] = {},
  domain = '',
): Tensor {
  return g.emit(opType, inputs, [{ type, shape }], attributes, domain)[0];
}

// --- elementwise ---

const binary = (opType: string) => (g: Graph, a: Tensor, b: Tensor) =>
  one(g, opType, [a, b], broadcast(opType, a.shape, b.shape), sameType(opType, a, b));
const comparison = (opType: string) => (g: Graph, a: Tensor, b: Tensor) => {
  sameType(opType, a, b);
  return one(g, opType, [a, b], broadcast(opType, a.shape, b.shape), 'bool');
};
const unary = (opType: string) => (g: Graph, x: Tensor) => one(g, opType, [x], x.shape);

export const add = binary('Add');
export const sub = binary('Sub');
export const mul = binary('Mul');
export const div = binary('Div');
export const min = binary('Min');
export const max = binary('Max');
export const and = binary('And');
export const or = binary('Or');
export const equal = comparison('Equal');
export const less = comparison('Less');
export const lessOrEqual = comparison('LessOrEqual');
export const greaterOrEqual = comparison('GreaterOrEqual');
export const neg = unary('Neg');
export const not = unary('Not');
export const abs = unary('Abs');
export const exp = unary('Exp');
export const log = unary('Log');
export const sqrt = unary('Sqrt');
export const sin = unary('Sin');
export const cos = unary('Cos');
export const sigmoid = unary('Sigmoid');
export const tanh = unary('Tanh');
export const softplus = unary('Softplus');
export const identity = unary('Identity');

/** x * sigmoid(x), as one kernel. */
export function silu(g: Graph, x: Tensor): Tensor {
  return one(g, 'QuickGelu', [x], x.shape, x.type, { alpha: { float: 1 } }, MICROSOFT);
}

/** x times the standard normal distribution's cumulative function of x (arXiv 1606.08415), with the exact erf. */
export function gelu(g: Graph, x: Tensor): Tensor {
  return one(g, 'Gelu', [x], x.shape, x.type, {}, MICROSOFT);
}

/** `x` as numbers of another type; itself where it is of that type. */
export function cast(g: Graph, x: Tensor, type: ElementType): Tensor {
  return x.type === type ? x : one(g, 'Cast', [x], x.shape, type, { to: elementTypes[type] });
}

/** `x` as float32: the numbers that sums, norms and softmax are computed in, whatever the type of products. */
export const wide = (g: Graph, x: Tensor): Tensor => cast(g, x, 'float32');

export function where(g: Graph, condition: Tensor, a: Tensor, b: Tensor): Tensor {
  check(condition.type === 'bool', 'Where', `takes a bool condition, not ${condition.type}`);
  const shape = broadcast('Where', condition.shape, broadcast('Where', a.shape, b.shape));
  return one(g, 'Where', [condition, a, b], shape, sameType('Where', a, b));
}

// --- matrix products ---

/** alpha * op(a) op(b) + c for matrices, where op transposes on request; c broadcasts to the result. */
export function gemm(
  g: Graph,
  a: Tensor,
  b: Tensor,
  options: { transA?: boolean; transB?: boolean; alpha?: number; c?: Tensor } = {},
): Tensor {
  const { transA = false, transB = false, alpha = 1, c } = options;
  check(
    a.shape.length === 2 && b.shape.length === 2,
    'Gemm',
    `takes matrices, not ${format(a.shape)} and ${format(b.shape)}`,
  );
  const [m, k] = transA ? [a.shape[1], a.shape[0]] : a.shape;
  const [k2, n] = transB ? [b.shape[1], b.shape[0]] : b.shape;
  check(k === k2, 'Gemm', `inner sizes of ${format([m, k])} and ${format([k2, n])} differ`);
  const shape = [m, n];
  if (c)
    check(format(broadcast('Gemm', c.shape, shape)) === format(shape), 'Gemm', `c ${format(c.shape)} does not fit`);
  return one(g, 'Gemm', c ? [a, b, c] : [a, b], shape, sameType('Gemm', a, b, ...(c ? [c] : [])), {
    transA: Number(transA),
    transB: Number(transB),
    alpha: { float: alpha },
  });
}

/** alpha * op(a) op(b) over the last two axes; the axes before them broadcast. */
export function matmul(
  g: Graph,
  a: Tensor,
  b: Tensor,
  options: { transA?: boolean; transB?: boolean; alpha?: number } = {},
): Tensor {
  const { transA = false, transB = false, alpha = 1 } = options;
  check(
    a.shape.length >= 2 && b.shape.length >= 2,
    'MatMul',
    `takes matrices, not ${format(a.shape)} and ${format(b.shape)}`,
  );
  const [m, k] = transA ? [a.shape.at(-1)!, a.shape.at(-2)!] : a.shape.slice(-2);
  const [k2, n] = transB ? [b.shape.at(-1)!, b.shape.at(-2)!] : b.shape.slice(-2);
  check(k === k2, 'MatMul', `inner sizes of ${format(a.shape)} and ${format(b.shape)} differ`);
  const shape = [...broadcast('MatMul', a.shape.slice(0, -2), b.shape.slice(0, -2)), m, n];
  const attributes = { transA: Number(transA), transB: Number(transB), alpha: { float: alpha } };
  return one(g, 'FusedMatMul', [a, b], shape, sameType('MatMul', a, b), attributes, MICROSOFT);
}

/** A matrix of integers in 8 bits, and which of them stands for 0. */
export interface Integers {
  values: Tensor;
  zero: number;
}

/** a b for matrices of integers, uint8 [N, k] and int8 or uint8 [k, M]. @returns int32 [N, M] */
export function matmulInteger(g: Graph, a: Integers, b: Integers): Tensor {
  const [[N, k], [k2, M]] = [a.values.shape, b.values.shape];
  check(a.values.type === 'uint8', 'MatMulInteger', `takes uint8 on the left, not ${a.values.type}`);
  check(k === k2, 'MatMulInteger', `inner sizes of ${format([N, k])} and ${format([k2, M])} differ`);
  const zeros = [a, b].map(({ values, zero }) => g.constant(values.type, [], Uint8Array.of(zero)));
  return one(g, 'MatMulInteger', [a.values, b.values, ...zeros], [N, M], 'int32');
}

/**
 * round(x / scale) + zero for each row of `x`, as bytes.
 * @param x [N, k]
 * @param scales [N]
 * @returns uint8 [N, k]
 */
export function quantizeRows(g: Graph, x: Tensor, scales: Tensor, zero: number): Tensor {
  check(
    scales.shape.length === 1 && scales.shape[0] === x.shape[0],
    'QuantizeLinear',
    `${format(scales.shape)} for ${format(x.shape)}`,
  );
  const zeros = expand(g, g.constant('uint8', [1], Uint8Array.of(zero)), scales.shape);
  return one(g, 'QuantizeLinear', [x, scales, zeros], x.shape, 'uint8', { axis: 0 });
}

// --- shape ---

/**
 * The shape as a tensor: a constant where all but one size are known or taken over from `x`, else read at run time.
 * `allowzero` says whether a zero in it is a size.
 */
function shapeTensor(g: Graph, shape: Shape, x: Shape): { sizes: Tensor; allowzero: 0 | 1 } {
  const COPY = 0;
  const INFER = -1;
  let inferred = 0;
  const fixed = shape.map((dim, i) => {
    if (typeof dim === 'number' && dim > 0) return dim;
    if (dim === x[i]) return COPY;
    inferred++;
    return INFER;
  });
  if (inferred <= 1) return { sizes: g.ints(fixed), allowzero: 0 };
  const parts = shape.map((dim) => (typeof dim === 'number' ? g.ints([dim]) : sizeOf(g, dim)));
  return { sizes: one(g, 'Concat', parts, [shape.length], 'int64', { axis: 0 }), allowzero: 1 };
}

/** A dimension's size at run time, int64 [1], whatever it is made of. */
export function sizeOf(g: Graph, dim: Dim): Tensor {
  if (typeof dim === 'number') return g.ints([dim]);
  if (dim.includes('+'))
    return dim
      .split('+')
      .map((part) => sizeOf(g, part))
      .reduce((a, b) => add(g, a, b));
  if (dim.includes('*'))
    return dim
      .split('*')
      .map((part) => sizeOf(g, part))
      .reduce((a, b) => mul(g, a, b));
  return Number.isNaN(Number(dim)) ? g.dim(dim) : g.ints([Number(dim)]);
}

export function reshape(g: Graph, x: Tensor, shape: Shape): Tensor {
  const [from, to] = [elements(x.shape), elements(shape)];
  check(
    from.size === to.size && from.names === to.names,
    'Reshape',
    `${format(x.shape)} does not fit ${format(shape)}`,
  );
  const { sizes, allowzero } = shapeTensor(g, shape, x.shape);
  return one(g, 'Reshape', [x, sizes], shape, x.type, { allowzero });
}

export function transpose(g: Graph, x: Tensor, permutation: number[]): Tensor {
  const valid = permutation.toSorted((a, b) => a - b).every((axis, i) => axis === i);
  check(
    valid && permutation.length === x.shape.length,
    'Transpose',
    `${permutation} does not permute ${format(x.shape)}`,
  );
  const shape = permutation.map((axis) => x.shape[axis]);
  return one(g, 'Transpose', [x], shape, x.type, { perm: permutation.map(BigInt) });
}

export function expand(g: Graph, x: Tensor, shape: Shape): Tensor {
  check(
    format(broadcast('Expand', x.shape, shape)) === format(shape),
    'Expand',
    `${format(x.shape)} to ${format(shape)}`,
  );
  const parts = shape.map((dim) => sizeOf(g, dim));
  return one(g, 'Expand', [x, one(g, 'Concat', parts, [shape.length], 'int64', { axis: 0 })], shape);
}

export function concat(g: Graph, tensors: Tensor[], axis: number): Tensor {
  const at = axisOf('Concat', tensors[0].shape, axis);
  for (const { shape } of tensors) {
    const fits =
      shape.length === tensors[0].shape.length && shape.every((d, i) => i === at || d === tensors[0].shape[i]);
    check(fits, 'Concat', `${tensors.map((t) => format(t.shape)).join(', ')} along axis ${axis}`);
  }
  const shape = tensors[0].shape.with(at, sum(tensors.map((tensor) => tensor.shape[at])));
  return one(g, 'Concat', tensors, shape, sameType('Concat', ...tensors), { axis: at });
}

/** Cuts `x` along `axis` into pieces of the given sizes. */
export function split(g: Graph, x: Tensor, sizes: Dim[], axis: number): Tensor[] {
  const at = axisOf('Split', x.shape, axis);
  check(sum(sizes) === x.shape[at], 'Split', `${format(x.shape)} along axis ${axis} into ${sizes.join(', ')}`);
  const sizesTensor = sizes.every((size) => typeof size === 'number')
    ? g.ints(sizes)
    : one(
        g,
        'Concat',
        sizes.map((size) => sizeOf(g, size)),
        [sizes.length],
        'int64',
        { axis: 0 },
      );
  const outputs = sizes.map((size) => ({ type: x.type, shape: x.shape.with(at, size) }));
  return g.emit('Split', [x, sizesTensor], outputs, { axis: at });
}

/** What lies along `axis` from `start` up to `end`, int64 [1] each; the caller knows the size of that by a name. */
export function slice(g: Graph, x: Tensor, axis: number, start: Tensor, end: Tensor, size: Dim): Tensor {
  const at = axisOf('Slice', x.shape, axis);
  return one(g, 'Slice', [x, start, end, g.ints([at])], x.shape.with(at, size));
}

export function unsqueeze(g: Graph, x: Tensor, axis: number): Tensor {
  const shape = x.shape.toSpliced(axis, 0, 1);
  return one(g, 'Unsqueeze', [x, g.ints([axis])], shape);
}

// --- selection ---

/** Rows of `x` along its first axis: result[i...] = x[indices[i...]]. */
export function gather(g: Graph, x: Tensor, indices: Tensor): Tensor {
  check(indices.type === 'int64', 'Gather', `takes int64 indices, not ${indices.type}`);
  return one(g, 'Gather', [x, indices], [...indices.shape, ...x.shape.slice(1)], x.type, { axis: 0 });
}

/** result[i, j...] = x[i, indices[j...]] for a matrix: the same places of every row. */
export function gatherFromRows(g: Graph, x: Tensor, indices: Tensor): Tensor {
  check(x.shape.length === 2, 'Gather', `takes a matrix, not ${format(x.shape)}`);
  check(indices.type === 'int64', 'Gather', `takes int64 indices, not ${indices.type}`);
  return one(g, 'Gather', [x, indices], [x.shape[0], ...indices.shape], x.type, { axis: 1 });
}

/** result[i, j] = x[i, indices[i, j]] for matrices. */
export function gatherColumns(g: Graph, x: Tensor, indices: Tensor): Tensor {
  check(
    x.shape.length === 2 && indices.shape.length === 2,
    'GatherElements',
    `${format(x.shape)}, ${format(indices.shape)}`,
  );
  check(
    x.shape[0] === indices.shape[0],
    'GatherElements',
    `${format(indices.shape)} does not index rows of ${format(x.shape)}`,
  );
  return one(g, 'GatherElements', [x, indices], indices.shape, x.type, { axis: 1 });
}

/** `x` with `rows` [n, d] added to its rows `indices` [n]; rows named twice get both. */
export function scatterAddRows(g: Graph, x: Tensor, indices: Tensor, rows: Tensor): Tensor {
  check(
    x.shape.length === 2 && x.shape[1] === rows.shape[1],
    'ScatterElements',
    `${format(rows.shape)} into ${format(x.shape)}`,
  );
  // ScatterElements adds duplicates one after the other; ScatterND's additions may race between threads.
  const spread = expand(g, unsqueeze(g, indices, 1), rows.shape);
  const type = sameType('ScatterElements', x, rows);
  return one(g, 'ScatterElements', [x, spread, rows], x.shape, type, { axis: 0, reduction: 'add' });
}

/** int64 [0, 1, ..., size - 1] for a dimension's run-time size. */
export function range(g: Graph, size: Dim): Tensor {
  const [zero, step] = [g.ints([0], []), g.ints([1], [])];
  const limit = one(g, 'Squeeze', [sizeOf(g, size)], []);
  return one(g, 'Range', [zero, limit, step], [size], 'int64');
}

export function zeros(g: Graph, shape: Shape, type: ElementType = 'float32'): Tensor {
  const size = one(
    g,
    'Concat',
    shape.map((dim) => sizeOf(g, dim)),
    [shape.length],
    'int64',
    { axis: 0 },
  );
  return cast(g, one(g, 'ConstantOfShape', [size], shape, 'float32'), type);
}

/** A matrix with zeros below its diagonal number `k`, int64 [1]; diagonal 0 begins in the corner, 1 right of it. */
export function upperTriangle(g: Graph, x: Tensor, k: Tensor): Tensor {
  return one(g, 'Trilu', [x, k], x.shape, x.type, { upper: 1 });
}

/** Index of the largest element of each row, the first of equals. [rows, n] to int64 [rows]. */
export function argmax(g: Graph, x: Tensor): Tensor {
  return one(g, 'ArgMax', [x], x.shape.slice(0, -1), 'int64', { axis: -1, keepdims: 0 });
}

/** The k largest elements of each row in descending order, and their indices. */
export function topK(g: Graph, x: Tensor, k: Dim): [values: Tensor, indices: Tensor] {
  const shape = [...x.shape.slice(0, -1), k];
  const outputs = [
    { type: x.type, shape },
    { type: 'int64' as const, shape },
  ];
  return g.emit('TopK', [x, sizeOf(g, k)], outputs, { axis: -1, largest: 1, sorted: 1 }) as [Tensor, Tensor];
}

// --- reductions along one axis, and what goes with them ---

const reduction =
  (opType: string) =>
  (g: Graph, x: Tensor, axis: number, keep = true) => {
    const at = axisOf(opType, x.shape, axis);
    const shape = keep ? x.shape.with(at, 1) : x.shape.toSpliced(at, 1);
    return one(g, opType, [x, g.ints([at])], shape, x.type, { keepdims: Number(keep) });
  };
export const reduceSum = reduction('ReduceSum');
export const reduceMean = reduction('ReduceMean');
export const reduceMin = reduction('ReduceMin');
export const reduceMax = reduction('ReduceMax');

export function softmax(g: Graph, x: Tensor): Tensor {
  return one(g, 'Softmax', [x], x.shape, x.type, { axis: -1 });
}

export function logSoftmax(g: Graph, x: Tensor): Tensor {
  return one(g, 'LogSoftmax', [x], x.shape, x.type, { axis: -1 });
}

/** Sums of each element and those before it in its row; `exclusive`, of those before it alone. */
export function cumulativeSum(g: Graph, x: Tensor, { exclusive = false } = {}): Tensor {
  return one(g, 'CumSum', [x, g.ints([-1], [])], x.shape, x.type, { exclusive: Number(exclusive) });
}

// --- the transformer's own ---

/**
 * Root-mean-square normalization over the last axis (arXiv 1910.07467): weight * x / sqrt(mean(x^2) + epsilon).
 * Also returns 1 / sqrt(mean(x^2) + epsilon), which its gradient needs: float32, as is the mean.
 */
export function rmsNorm(g: Graph, x: Tensor, weight: Tensor, epsilon: number): [y: Tensor, inverse: Tensor] {
  check(
    weight.shape.length === 1 && weight.shape[0] === x.shape.at(-1),
    'RMSNorm',
    `${format(weight.shape)} for ${format(x.shape)}`,
  );
  const outputs = [
    { type: sameType('RMSNorm', x, weight), shape: x.shape },
    { type: 'float32' as const, shape: [...x.shape.slice(0, -1), 1] },
  ];
  const attributes = { axis: -1, epsilon: { float: epsilon } };
  return g.emit('SimplifiedLayerNormalization', [x, weight], outputs, attributes) as [Tensor, Tensor];
}

/** Layer normalization over the last axis (arXiv 1607.06450): weight * (x - mean) / sqrt(variance + epsilon) + bias. */
export function layerNorm(g: Graph, x: Tensor, weight: Tensor, bias: Tensor, epsilon: number): Tensor {
  for (const { shape } of [weight, bias])
    check(shape.length === 1 && shape[0] === x.shape.at(-1), 'LayerNorm', `${format(shape)} for ${format(x.shape)}`);
  const attributes = { axis: -1, epsilon: { float: epsilon } };
  return one(g, 'LayerNormalization', [x, weight, bias], x.shape, x.type, attributes);
}

/**
 * Rotary position embedding (arXiv 2104.09864) in Hugging Face's half-split layout.
 * @param x [G, H, S, d]
 * @param rows [G, S] rows of the tables
 * @param cosTable,sinTable [rows, d / 2]
 */
export function rotary(g: Graph, x: Tensor, rows: Tensor, cosTable: Tensor, sinTable: Tensor): Tensor {
  check(
    x.shape.length === 4 && rows.shape[0] === x.shape[0] && rows.shape[1] === x.shape[2],
    'Rotary',
    `${format(rows.shape)} for ${format(x.shape)}`,
  );
  const inputs = [x, rows, cosTable, sinTable];
  const type = sameType('Rotary', x, cosTable, sinTable);
  return one(g, 'RotaryEmbedding', inputs, x.shape, type, { interleaved: 0 }, MICROSOFT);
}

// --- control flow ---

/**
 * A loop whose state lives inside the runtime.
 * @param trips largest number of iterations, int64 scalar
 * @param state initial values of the carried tensors; shapes may change from one iteration to the next along dims whose
 *   name differs between `state` and the body
 * @param body gets the iteration's number and the carried tensors; returns whether to go on, the next state, and values to stack
 * @returns the last state, and each scanned value stacked along a new first axis named `steps`
 */
export function loop(
  g: Graph,
  trips: Tensor,
  state: Tensor[],
  stateShapes: Shape[],
  steps: Dim,
  body: (b: Graph, iteration: Tensor, state: Tensor[]) => { again?: Tensor; state: Tensor[]; scan: Tensor[] },
): { state: Tensor[]; scan: Tensor[] } {
  const b = new Graph(g);
  const name = g.freshName('body');
  const iteration = b.input(`${name}_iteration`, 'int64', []);
  const condition = b.input(`${name}_condition`, 'bool', []);
  const carried = state.map((tensor, i) => b.input(`${name}_state_${i}`, tensor.type, stateShapes[i]));
  const result = body(b, iteration, carried);
  check(
    result.state.length === state.length,
    'Loop',
    'the body returns another number of carried tensors than it gets',
  );
  const again = result.again ?? identity(b, condition);
  for (const [i, tensor] of [again, ...result.state, ...result.scan].entries()) b.output(String(i), tensor);
  const outputs = [
    ...result.state.map(({ type, shape }) => ({ type, shape })),
    ...result.scan.map(({ type, shape }) => ({ type, shape: [steps, ...shape] })),
  ];
  const start = g.constant('bool', [], Uint8Array.of(1));
  const made = g.emit('Loop', [trips, start, ...state], outputs, { body: b });
  return { state: made.slice(0, state.length), scan: made.slice(state.length) };
}
