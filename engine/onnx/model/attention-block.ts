/** One block of attention: some queries, the keys that they see, and their weights. */
import type { LlamaConfig } from '../../model-files/llama-config.ts';
import * as ops from '../graph/ops.ts';
import type { Shape } from '../graph/shape.ts';
import type { Graph, Tensor } from '../graph/tensor.ts';

/** Added to the attention score of a key that must not be seen: its weight is 0 in float32 whatever the other scores are. */
export const HIDDEN = -1e9;

/**
 * The columns that describe a block, all token indices in the packed row but the last two.
 *
 * - `promptStart`, `promptEnd`: the prompt that all queries of the block see.
 * - `segment`: where the block's own segment starts (a response, or a prompt with its first response): each query sees the
 *   segment's tokens up to itself.
 * - `start`, `end`: the block's queries.
 * - `queries`: their number, end - start.
 * - `earlier`: the number of keys that come before the block's own: promptEnd - promptStart + start - segment.
 *
 * Ends are not included. Blocks follow each other without a gap, those of a prompt before those of the responses that see it.
 */
export const BLOCK = ['promptStart', 'promptEnd', 'segment', 'start', 'end', 'queries', 'earlier'] as const;

/** One layer's attention: its inputs and sizes. */
export interface Attention {
  /** [1, heads, S, headDim] */
  query: Tensor;
  /** [1, kvHeads, S, headDim] */
  key: Tensor;
  /** [1, kvHeads, S, headDim] */
  value: Tensor;
  /** int64 [blocks, BLOCK.length] */
  blocks: Tensor;
  heads: number;
  kvHeads: number;
  headDim: number;
  /** Query heads that share a key head. */
  group: number;
  /** 1 / sqrt(headDim), what the scores are multiplied with. */
  scale: number;
}

/** The attention of a layer of this configuration. */
export function attentionOf(
  { heads, kvHeads, headDim }: LlamaConfig,
  blocks: Tensor,
  inputs: Pick<Attention, 'query' | 'key' | 'value'>,
): Attention {
  return { ...inputs, blocks, heads, kvHeads, headDim, group: heads / kvHeads, scale: 1 / Math.sqrt(headDim) };
}

/** Queries, keys and values with the queries that share a key head side by side: so no key is copied for them. */
export interface Grouped {
  /** [kvHeads, group, S, headDim] */
  queries: Tensor;
  /** [kvHeads, 1, S, headDim] */
  keys: Tensor;
  /** [kvHeads, 1, S, headDim] */
  values: Tensor;
}

/** Appends the reshapes to Grouped. */
export function grouped(g: Graph, { query, key, value, kvHeads, group, headDim }: Attention): Grouped {
  const S = query.shape[2];
  const [keys, values] = [key, value].map((x) => ops.reshape(g, x, [kvHeads, 1, S, headDim]));
  return { queries: ops.reshape(g, query, [kvHeads, group, S, headDim]), keys, values };
}

/** The number of blocks, int64 []. */
export const blockCount = (g: Graph, { blocks }: Attention): Tensor =>
  ops.reshape(g, ops.sizeOf(g, blocks.shape[0]), []);

/** A block as the body of a loop computes it. Its graph has the dimensions `n` (queries), `h` (earlier keys) and `keys`, h + n. */
export interface Block {
  /** Cuts out the block's own rows: [..., S, d] to [..., n, d]. */
  own(x: Tensor): Tensor;
  /** [kvHeads, group, n, headDim] */
  q: Tensor;
  /** [kvHeads, 1, keys, headDim]: those of the prompt, then those of the segment. */
  k: Tensor;
  /** [kvHeads, 1, keys, headDim] */
  v: Tensor;
  /** softmax(scale q k^T + mask), float32 [kvHeads, group, n, keys] */
  weights: Tensor;
}

/**
 * Appends what both passes compute of a block.
 * @param b the body of the loop over the blocks
 * @param index of the block, int64 []
 */
export function openBlock(
  b: Graph,
  { blocks, kvHeads, headDim, scale }: Attention,
  { queries, keys, values }: Grouped,
  index: Tensor,
): Block {
  const columns = BLOCK.map(() => 1);
  const [promptStart, promptEnd, segment, start, end, n, h] = ops.split(b, ops.gather(b, blocks, index), columns, 0);
  b.defineDim('n', n);
  b.defineDim('h', h);
  b.defineDim('keys', ops.add(b, h, n));
  const own = (x: Tensor) => ops.slice(b, x, 2, start, end, 'n');
  const seen = (x: Tensor) => {
    const pieces = [ops.slice(b, x, 2, promptStart, promptEnd, 'p'), ops.slice(b, x, 2, segment, end, 's')];
    return named(ops.concat(b, pieces, 2), [kvHeads, 1, 'keys', headDim]);
  };
  // Query i of the block sees the first h + i + 1 keys: what is right of that diagonal is hidden.
  const hidden = ops.expand(b, b.floats([HIDDEN], [1, 1]), ['n', 'keys']);
  const mask = ops.upperTriangle(b, hidden, ops.add(b, h, b.ints([1])));
  const [q, k, v] = [own(queries), seen(keys), seen(values)];
  const scores = ops.matmul(b, q, k, { transB: true, alpha: scale });
  return { own, q, k, v, weights: ops.softmax(b, ops.add(b, scores, mask)) };
}

/** The same tensor with dimensions that the caller knows by other names. */
export const named = (x: Tensor, shape: Shape): Tensor => ({ ...x, shape });
