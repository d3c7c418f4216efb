/** Attention over prompts and their responses laid end to end: each response sees its prompt and itself, nothing else. */
import type { Rule } from '../graph/gradient.ts';
import * as ops from '../graph/ops.ts';
import { product } from '../graph/shape.ts';
import type { Graph, Tensor } from '../graph/tensor.ts';
import type { ModelConfig } from './config.ts';
import type { Attend } from './transformer.ts';

/** Added to the score of a position that must not be seen: its weight is zero in float32 whatever the other scores are. */
export const HIDDEN = -1e9;

/**
 * What a block is told by, as rows: the queries from `start` to `end` see all keys from `promptStart` to `promptEnd`, and of those
 * from `segment` on what does not stand after them. Blocks follow each other without a gap, a prompt's before those that see it.
 */
export const BLOCK = ['promptStart', 'promptEnd', 'segment', 'start', 'end'] as const;

/**
 * Attention by blocks of queries, so that only one block's scores exist at the same time: memory grows with the length of a
 * sequence, not with its square, and no key is looked at that no query of the block sees. The backward pass computes the
 * weights of a block again rather than keep them (as arXiv 2205.14135 does).
 * @param blocks int64 [N, BLOCK.length]
 */
export function packedAttention(config: ModelConfig, blocks: Tensor): Attend {
  return (g, _layer, { query, key, value }) => {
    const { build, rule } = blockedAttention(g, config, blocks, query, key, value);
    return g.composite('Attention', [query, key, value], build, rule)[0];
  };
}

/**
 * @param query [1, heads, S, headDim]
 * @param key,value [1, kvHeads, S, headDim]
 * @returns what builds the attended values, [S, heads * headDim], and their gradient
 */
function blockedAttention(g: Graph, config: ModelConfig, blocks: Tensor, query: Tensor, key: Tensor, value: Tensor) {
  const { heads, kvHeads, headDim } = config;
  const S = query.shape[2];
  const width = heads * headDim;
  const scale = 1 / Math.sqrt(headDim);
  const count = () => ops.reshape(g, ops.sizeOf(g, blocks.shape[0]), []);
  const stacked = [1, kvHeads, product([heads / kvHeads, 'n']), headDim];

  /**
   * What a block computes with: its n queries, the h + n keys they see, and their weights. The queries that share a key head
   * lie side by side, so that one product serves them and no key is copied for them.
   */
  const open = (b: Graph, block: Tensor) => {
    const [promptStart, promptEnd, segment, start, end] = ops.split(b, ops.gather(b, blocks, block), BLOCK.map(() => 1), 0); // prettier-ignore
    const before = ops.add(b, ops.sub(b, promptEnd, promptStart), ops.sub(b, start, segment));
    b.defineDim('n', ops.sub(b, end, start));
    b.defineDim('h', before);
    const queries = (x: Tensor) => ops.slice(b, x, 2, start, end, 'n');
    const keys = (x: Tensor): Tensor => {
      const pieces = [ops.slice(b, x, 2, promptStart, promptEnd, 'p'), ops.slice(b, x, 2, segment, end, 's')];
      return { ...ops.concat(b, pieces, 2), shape: [1, kvHeads, 'h+n', headDim] };
    };
    const last = ops.reshape(b, ops.add(b, ops.range(b, 'n'), before), ['n', 1]);
    const visible = ops.lessOrEqual(b, ops.reshape(b, ops.range(b, 'h+n'), [1, 'h+n']), last);
    const mask = ops.where(b, visible, b.scalar(0), b.scalar(HIDDEN));
    const stack = (x: Tensor) => ops.reshape(b, x, [...stacked.slice(0, 3), x.shape[3]]);
    const unstack = (x: Tensor) => ops.reshape(b, x, [1, heads, 'n', x.shape[3]]);
    const q = stack(queries(query));
    const [k, v] = [keys(key), keys(value)];
    const scores = unstack(ops.matmul(b, q, k, { transB: true, alpha: scale }));
    const weights = stack(ops.softmax(b, ops.add(b, scores, mask)));
    return { start, end, stack, unstack, q, k, v, weights };
  };

  const build = () => {
    const none = ops.zeros(g, [0, width]);
    const { state } = ops.loop(g, count(), [none], [['done', width]], 'blocks', (b, block, [done]) => {
      const { unstack, v, weights } = open(b, block);
      const attended = ops.transpose(b, unstack(ops.matmul(b, weights, v)), [0, 2, 1, 3]);
      return { state: [ops.concat(b, [done, ops.reshape(b, attended, ['n', width])], 0)], scan: [] };
    });
    return [{ ...state[0], shape: [S, width] }];
  };

  // With y = p v, p = softmax(s), s = scale q k^T:
  //   dv = p^T dy;  ds = p (dy v^T - sum(dy y));  dq = scale ds k;  dk = scale ds^T q
  // From the last block to the first: what comes back to keys before a block's own waits until their block's turn.
  const rule: Rule = (g, { outputs: [y] }, [dy]) => {
    const apart = (x: Tensor) => ops.reshape(g, x, [1, S, heads, headDim]);
    const slopes = ops.transpose(g, apart(dy!), [0, 2, 1, 3]);
    const sums = ops.transpose(g, ops.reduceSum(g, apart(ops.mul(g, dy!, y)), -1), [0, 2, 1, 3]);
    const final = ops.sub(g, count(), g.ints([1], []));
    const none = (heads: number) => ops.zeros(g, [1, heads, 0, headDim]);
    const state = [none(heads), none(kvHeads), none(kvHeads), none(kvHeads), none(kvHeads)];
    const shapes = [heads, kvHeads, kvHeads, kvHeads, kvHeads].map((n, i) => [
      1,
      n,
      i < 3 ? 'done' : 'waiting',
      headDim,
    ]);
    const { state: made } = ops.loop(g, count(), state, shapes, 'blocks', (b, i, [dq, dk, dv, waitingK, waitingV]) => {
      const { start, end, stack, unstack, q, k, v, weights } = open(b, ops.sub(b, final, i));
      const queries = (x: Tensor) => ops.slice(b, x, 2, start, end, 'n');
      const slope = stack(queries(slopes));
      const dWeights = unstack(ops.matmul(b, slope, v, { transB: true }));
      const centered = stack(ops.sub(b, dWeights, queries(sums)));
      const dScores = ops.mul(b, weights, centered);
      const dQuery = unstack(ops.matmul(b, dScores, k, { alpha: scale }));
      const rest = ops.sub(b, ops.sizeOf(b, 'h+n'), ops.sizeOf(b, 'waiting'));
      b.defineDim('rest', rest);
      const settle = (part: Tensor, waiting: Tensor) => {
        const padded = ops.concat(b, [waiting, ops.zeros(b, [1, kvHeads, 'rest', headDim])], 2);
        return ops.split(b, ops.add(b, part, { ...padded, shape: part.shape }), ['h', 'n'], 2);
      };
      const [earlierK, ownK] = settle(ops.matmul(b, dScores, q, { transA: true, alpha: scale }), waitingK);
      const [earlierV, ownV] = settle(ops.matmul(b, weights, slope, { transA: true }), waitingV);
      const before = (piece: Tensor, done: Tensor) => ops.concat(b, [piece, done], 2);
      return { state: [before(dQuery, dq), before(ownK, dk), before(ownV, dv), earlierK, earlierV], scan: [] };
    }); // prettier-ignore
    const gradients = [query, key, value].map(({ shape }, i) => ({ ...made[i], shape }));
    return gradients.map((gradient) => (sum?: Tensor) => (sum ? ops.add(g, sum, gradient) : gradient));
  };
  return { build, rule };
}
