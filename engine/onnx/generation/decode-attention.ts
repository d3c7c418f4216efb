/** Attention of one decoding step over several blocks of keys and values, of Q prompts with several samples each. */
import * as ops from '../graph/ops.ts';
import type { Dim, Shape } from '../graph/shape.ts';
import type { Graph, Tensor } from '../graph/tensor.ts';

/** Keys and values of a block: [...layout.keys, length, headDim]. */
export interface Block {
  key: Tensor;
  value: Tensor;
  layout: Layout;
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
 * @param owners how many blocks of keys a prompt has: one, or one per sample
 * @param sharers queries that see the same keys
 */
export const layoutOf = (kvHeads: number, owners: number, sharers: number): Layout =>
  sharers <= MOST_ONE_BY_ONE
    ? { queries: ['Q', kvHeads, owners, sharers, 1], keys: ['Q', kvHeads, owners, 1] }
    : { queries: ['Q', kvHeads, owners, sharers], keys: ['Q', kvHeads, owners] };

/**
 * Heads of rows, [Q*samples, kvHeads*group, 1, headDim], rearranged so that the queries of all samples of a prompt that share a key head
 * are side by side.
 * @param shape of the result, such as [...layout.queries, headDim]
 */
export function bySample(b: Graph, x: Tensor, samples: number, kvHeads: number, group: number, shape: Shape): Tensor {
  if (samples === 1) return ops.reshape(b, x, shape);
  const apart = ops.reshape(b, x, ['Q', samples, kvHeads, group, x.shape[3]]);
  return ops.reshape(b, ops.transpose(b, apart, [0, 2, 1, 3, 4]), shape);
}

/** The inverse of bySample(). */
export function byRow(b: Graph, x: Tensor, samples: number, kvHeads: number, group: number): Tensor {
  if (samples === 1) return x;
  const apart = ops.reshape(b, x, ['Q', kvHeads, samples, group, x.shape.at(-1)!]);
  return ops.transpose(b, apart, [0, 2, 1, 3, 4]);
}

/**
 * Attention with one softmax over several blocks of keys, which are not concatenated in memory.
 * @param query scaled, [...own.queries, headDim]
 * @param mask added to the scores of all blocks, concatenated
 * @param own the layout that the scores of all blocks are brought to
 * @returns [...own.queries, headDim]
 */
export function blockAttention(b: Graph, query: Tensor, blocks: Block[], mask: Tensor, own: Layout): Tensor {
  const scores = blocks.map(({ key, layout }) => {
    const product = ops.matmul(b, laidOut(b, query, layout), key, { transB: true });
    return laidOut(b, product, own);
  });
  const weights = ops.softmax(b, ops.add(b, ops.concat(b, scores, -1), mask));
  const lengths = scores.map(({ shape }) => shape.at(-1)!);
  const attended = ops.split(b, weights, lengths, -1).map((part, i) => {
    const { value, layout } = blocks[i];
    return laidOut(b, ops.matmul(b, laidOut(b, part, layout), value), own);
  });
  return attended.reduce((sum, part) => ops.add(b, sum, part));
}

/** `x` [..., d] with the layout's axes before the last. */
const laidOut = (b: Graph, x: Tensor, { queries }: Layout): Tensor => {
  const shape = [...queries, x.shape.at(-1)!];
  return shape.join() === x.shape.join() ? x : ops.reshape(b, x, shape);
};
