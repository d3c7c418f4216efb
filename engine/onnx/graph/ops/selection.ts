/** Operators that pick elements by index, and that find indices. */
import { format, product, type Dim } from '../shape.ts';
import type { Graph, Tensor } from '../tensor.ts';
import { check, one, sameType, vjpOf } from './emit.ts';
import { expand, reshape, unsqueeze } from './layout.ts';
import { sizeOf, zeros } from './size.ts';

// The cotangent of each result is added to the row that it was taken from; a row that was taken twice gets both.
const gatherVjp = vjpOf((g, dy, { inputs }) => {
  const [x, indices] = inputs as Tensor[];
  const width = product(x.shape.slice(1));
  return [
    {
      addedTo: (sum) => {
        const flat = reshape(g, indices, [product(indices.shape)]);
        const rows = reshape(g, dy, [product(indices.shape), width]);
        const table = [x.shape[0], width];
        const onto = sum ? reshape(g, sum, table) : zeros(g, table);
        return reshape(g, scatterAddRows(g, onto, flat, rows), x.shape);
      },
    },
    undefined,
  ];
});

/**
 * Rows of `x` along its first axis: result[i...] = x[indices[i...]].
 * @param indices int64 [i...]
 */
export function gather(g: Graph, x: Tensor, indices: Tensor): Tensor {
  check(indices.type === 'int64', 'Gather', `takes int64 indices, not ${indices.type}`);
  const shape = [...indices.shape, ...x.shape.slice(1)];
  return one(g, 'Gather', [x, indices], shape, { attributes: { axis: 0 }, vjp: gatherVjp });
}

/**
 * The same columns of every row: result[i, j...] = x[i, indices[j...]].
 * @param x [n, m]
 * @param indices int64 [j...]
 */
export function gatherFromRows(g: Graph, x: Tensor, indices: Tensor): Tensor {
  check(x.shape.length === 2, 'Gather', `takes a matrix, not ${format(x.shape)}`);
  check(indices.type === 'int64', 'Gather', `takes int64 indices, not ${indices.type}`);
  return one(g, 'Gather', [x, indices], [x.shape[0], ...indices.shape], { attributes: { axis: 1 } });
}

/**
 * Columns chosen row by row: result[i, j] = x[i, indices[i, j]].
 * @param x [n, m]
 * @param indices int64 [n, j]
 */
export function gatherColumns(g: Graph, x: Tensor, indices: Tensor): Tensor {
  const areMatrices = x.shape.length === 2 && indices.shape.length === 2;
  check(areMatrices, 'GatherElements', `${format(x.shape)}, ${format(indices.shape)}`);
  const fits = x.shape[0] === indices.shape[0];
  check(fits, 'GatherElements', `${format(indices.shape)} does not index rows of ${format(x.shape)}`);
  return one(g, 'GatherElements', [x, indices], indices.shape, { attributes: { axis: 1 } });
}

/**
 * `x` with rows[i] added to x[indices[i]] for every i, in order: the same bits in every run.
 * @param x [m, d]
 * @param indices int64 [n]
 * @param rows [n, d]
 */
export function scatterAddRows(g: Graph, x: Tensor, indices: Tensor, rows: Tensor): Tensor {
  const fits = x.shape.length === 2 && x.shape[1] === rows.shape[1];
  check(fits, 'ScatterElements', `${format(rows.shape)} into ${format(x.shape)}`);
  // ScatterElements adds duplicates one after the other; ScatterND's additions may race between threads.
  const spread = expand(g, unsqueeze(g, indices, 1), rows.shape);
  const type = sameType('ScatterElements', x, rows);
  const attributes = { axis: 0, reduction: 'add' };
  return one(g, 'ScatterElements', [x, spread, rows], x.shape, { type, attributes });
}

/** `x` with zeros below its diagonal number `k`, int64 [1]; diagonal 0 starts at the top left element, 1 right of it. */
export function upperTriangle(g: Graph, x: Tensor, k: Tensor): Tensor {
  return one(g, 'Trilu', [x, k], x.shape, { attributes: { upper: 1 } });
}

/** Index of the largest element of each row, the first of equals. [n, m] to int64 [n]. */
export function argmax(g: Graph, x: Tensor): Tensor {
  return one(g, 'ArgMax', [x], x.shape.slice(0, -1), { type: 'int64', attributes: { axis: -1, keepdims: 0 } });
}

/** The k largest elements of each row in descending order, and their indices, int64: [..., m] to [..., k] each. */
export function topK(g: Graph, x: Tensor, k: Dim): [values: Tensor, indices: Tensor] {
  const shape = [...x.shape.slice(0, -1), k];
  const outputs = [
    { type: x.type, shape },
    { type: 'int64' as const, shape },
  ];
  const attributes = { axis: -1, largest: 1, sorted: 1 };
  return g.emit('TopK', [x, sizeOf(g, k)], outputs, { attributes }) as [Tensor, Tensor];
}
