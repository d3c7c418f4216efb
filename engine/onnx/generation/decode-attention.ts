/** Attention of one decoding step over several blocks of keys and values: of rows, and of the prompts that they share. */
import * as ops from '../graph/ops.ts';
import { product, type Dim } from '../graph/shape.ts';
import type { Graph, Tensor } from '../graph/tensor.ts';

/** Keys and values of a block: [...layout.keys, length, headDim]. */
export interface Block {
  key: Tensor;
  value: Tensor;
  layout: Layout;
  /** How rows share the block. Absent if each row has keys of its own. */
  sharing?: Sharing;
}

/**
 * Which queries of rows are which queries of prompts. A prompt has a cell for each query of each of its samples, also of those that are
 * done and have no row: a gather arranges rows as cells, and another one cells as rows.
 */
export interface Sharing {
  /** int64 [Q*kvHeads*samples*group]: for each cell, an index into [B*heads]. */
  toPrompts: Tensor;
  /** int64 [B*heads]: for each query of a row, its cell. */
  toRows: Tensor;
}

/** The axes before the last two of the operands of attention's products. */
export interface Layout {
  queries: Dim[];
  keys: Dim[];
}

/**
 * Up to this many queries of the same keys are multiplied with them one by one: a product with one row reads the keys in place, while
 * a product of matrices copies them into its own layout first.
 */
const MOST_ONE_BY_ONE = 4;

/**
 * The layout of products of queries with the keys that they share.
 * @param owners of keys: rows or prompts
 * @param sharers queries that see the same keys
 */
export const layoutOf = (owners: Dim, kvHeads: number, sharers: number): Layout =>
  sharers <= MOST_ONE_BY_ONE
    ? { queries: [owners, kvHeads, sharers, 1], keys: [owners, kvHeads, 1] }
    : { queries: [owners, kvHeads, sharers], keys: [owners, kvHeads] };

/**
 * Attention with one softmax over several blocks of keys, which are not concatenated in memory.
 * @param query scaled, [...own.queries, headDim]
 * @param mask added to the scores of all blocks, concatenated
 * @param own the layout of rows, which the scores of all blocks are brought to
 * @returns [...own.queries, headDim]
 */
export function blockAttention(b: Graph, query: Tensor, blocks: Block[], mask: Tensor, own: Layout): Tensor {
  const scores = blocks.map((block) =>
    toRows(b, ops.matmul(b, toBlock(b, query, block), block.key, { transB: true }), block, own),
  );
  const weights = ops.softmax(b, ops.add(b, ops.concat(b, scores, -1), mask));
  const lengths = scores.map(({ shape }) => shape.at(-1)!);
  const attended = ops
    .split(b, weights, lengths, -1)
    .map((part, i) => toRows(b, ops.matmul(b, toBlock(b, part, blocks[i]), blocks[i].value), blocks[i], own));
  return attended.reduce((sum, part) => ops.add(b, sum, part));
}

/** Rows' `x` [...own.queries, d] as a block's queries are: [...layout.queries, d]. */
const toBlock = (b: Graph, x: Tensor, { layout, sharing }: Block): Tensor =>
  laidOut(b, sharing ? ops.gather(b, flat(b, x), sharing.toPrompts) : x, layout);

/** The inverse of toBlock(). */
const toRows = (b: Graph, x: Tensor, { sharing }: Block, own: Layout): Tensor =>
  laidOut(b, sharing ? ops.gather(b, flat(b, x), sharing.toRows) : x, own);

/** `x` [..., d] as a matrix with d columns. */
const flat = (b: Graph, x: Tensor): Tensor => ops.reshape(b, x, [product(x.shape.slice(0, -1)), x.shape.at(-1)!]);

/** `x` [..., d] with the layout's axes before the last. */
const laidOut = (b: Graph, x: Tensor, { queries }: Layout): Tensor => {
  const shape = [...queries, x.shape.at(-1)!];
  return shape.join() === x.shape.join() ? x : ops.reshape(b, x, shape);
};
