/** The backward pass of packedAttention(), block by block. */
import * as ops from '../graph/ops.ts';
import { product } from '../graph/shape.ts';
import type { Graph, Tensor } from '../graph/tensor.ts';
import { blockCount, grouped, named, openBlock, type Attention, type Block } from './attention-block.ts';

/**
 * With y = p v, p = softmax(s), s = scale q k^T (arXiv 2205.14135, appendix B.2):
 *
 *     dv = p^T dy    ds = p (dy v^T - sum(dy y))    dq = scale ds k    dk = scale ds^T q
 *
 * The loop goes from the last block to the first and carries three tensors of gradients. Those of keys and of values are
 * concatenated, as if they were 2 kvHeads heads.
 *
 * - `dQueries` [kvHeads, group, done, headDim]: of the queries of all blocks so far.
 * - `dKeys` [2 kvHeads, done, headDim]: of the own keys and values of these blocks. They are complete: the blocks still to come
 *   do not see them.
 * - `waiting` [2 kvHeads, waiting, headDim]: of the `earlier` keys and values that the previous iteration's block saw. They are
 *   complete when the loop has reached the blocks that own them.
 *
 * The waiting keys are always the first keys that the next iteration's block sees. If both blocks belong to one segment, they are all
 * of its keys. If the previous block was the first of a response, they are its prompt; the next block then belongs to another
 * response to the same prompt, or to the prompt itself, and sees the prompt first. The rest is padded with zeros.
 *
 * @param y the attended values, [S, heads * headDim]
 * @param dy their cotangent, of the same shape
 * @returns the cotangents of query, key and value, of their shapes
 */
export function attentionBackward(g: Graph, attention: Attention, y: Tensor, dy: Tensor): [Tensor, Tensor, Tensor] {
  const { query, key, value, kvHeads, group, headDim } = attention;
  const S = query.shape[2];
  const both = 2 * kvHeads;
  const all = grouped(g, attention);
  const byHead = (x: Tensor) => ops.reshape(g, x, [S, kvHeads, group, headDim]);
  const dAttended = ops.transpose(g, byHead(dy), [1, 2, 0, 3]);
  const sums = ops.reduceSum(g, byHead(ops.mul(g, dy, y)), -1);
  const rowSums = ops.transpose(g, sums, [1, 2, 0, 3]);
  const last = ops.sub(g, blockCount(g, attention), g.ints([1], []));

  const none = ops.zeros(g, [both, 0, headDim]);
  const start = [ops.zeros(g, [kvHeads, group, 0, headDim]), none, none];
  const shapes = [
    [kvHeads, group, 'done', headDim],
    [both, 'done', headDim],
    [both, 'waiting', headDim],
  ];
  const { state } = ops.loop(g, blockCount(g, attention), start, shapes, 'blocks', (b, i, carried) => {
    const [dQueries, dKeys, waiting] = carried;
    const block = openBlock(b, attention, all, ops.sub(b, last, i));
    const { dQuery, dSeen } = blockBackward(b, attention, block, dAttended, rowSums);
    b.defineDim('rest', ops.sub(b, b.dim('keys'), b.dim('waiting')));
    const padded = ops.concat(b, [waiting, ops.zeros(b, [both, 'rest', headDim])], 1);
    const total = ops.add(b, dSeen, named(padded, dSeen.shape));
    const [earlier, own] = ops.split(b, named(total, [both, 'h+n', headDim]), ['h', 'n'], 1);
    return { state: [ops.concat(b, [dQuery, dQueries], 2), ops.concat(b, [own, dKeys], 1), earlier], scan: [] };
  });

  const [dKey, dValue] = ops.split(g, named(state[1], [both, S, headDim]), [kvHeads, kvHeads], 0);
  const dQuery = named(state[0], [kvHeads, group, S, headDim]);
  const like = (x: Tensor, gradient: Tensor) => ops.reshape(g, gradient, x.shape);
  return [like(query, dQuery), like(key, dKey), like(value, dValue)];
}

/**
 * The gradients of one block.
 * @param dAttended the cotangent of all attended values, [kvHeads, group, S, headDim]
 * @param rowSums sum(dy y) of every query, [kvHeads, group, S, 1]
 * @returns `dQuery` [kvHeads, group, n, headDim], and `dSeen` of the keys and values that the block sees,
 *   [2 kvHeads, keys, headDim]
 */
function blockBackward(
  b: Graph,
  { kvHeads, group, scale }: Attention,
  { own, q, k, v, weights }: Block,
  dAttended: Tensor,
  rowSums: Tensor,
): { dQuery: Tensor; dSeen: Tensor } {
  const dy = own(dAttended);
  const dWeights = ops.matmul(b, dy, v, { transB: true });
  const dScores = ops.mul(b, weights, ops.sub(b, dWeights, own(rowSums)));
  const dQuery = ops.matmul(b, dScores, k, { alpha: scale });
  // All queries of a group contribute to a key: with their rows stacked, one product adds them up.
  const stack = (x: Tensor) => ops.reshape(b, x, [kvHeads, product([group, 'n']), x.shape[3]]);
  const dKey = ops.matmul(b, stack(dScores), stack(q), { transA: true, alpha: scale });
  const dValue = ops.matmul(b, stack(weights), stack(dy), { transA: true });
  return { dQuery, dSeen: ops.concat(b, [dKey, dValue], 0) };
}
