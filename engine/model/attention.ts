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
 * What a block is told by: its `queries`, from `start` to `end`, see all keys from `promptStart` to `promptEnd`, and of those from
 * `segment` on what does not stand after them; `earlier` keys are none of the block's own. Blocks follow each other without a
 * gap, those of a prompt before those that see it.
 */
export const BLOCK = ['promptStart', 'promptEnd', 'segment', 'start', 'end', 'queries', 'earlier'] as const;

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
    const [promptStart, promptEnd, segment, start, end, n, h] = ops.split(b, ops.gather(b, blocks, block), BLOCK.map(() => 1), 0); // prettier-ignore
    b.defineDim('n', n);
    b.defineDim('h', h);
    b.defineDim('keys', ops.add(b, h, n));
    const queries = (x: Tensor) => ops.slice(b, x, 2, start, end, 'n');
    const keys = (x: Tensor): Tensor => {
      const pieces = [ops.slice(b, x, 2, promptStart, promptEnd, 'p'), ops.slice(b, x, 2, segment, end, 's')];
      return { ...ops.concat(b, pieces, 2), shape: [1, kvHeads, 'keys', headDim] };
    };
    // Row i, a query, sees the first h + i + 1 keys.
    const hidden = ops.expand(b, b.floats([HIDDEN], [1, 1]), ['n', 'keys']);
    const mask = ops.upperTriangle(b, hidden, ops.add(b, h, b.ints([1])));
    const stack = (x: Tensor) => ops.reshape(b, x, [...stacked.slice(0, 3), x.shape[3]]);
    const unstack = (x: Tensor) => ops.reshape(b, x, [1, heads, 'n', x.shape[3]]);
    const q = stack(queries(query));
    const [k, v] = [keys(key), keys(value)];
    const scores = unstack(ops.matmul(b, q, k, { transB: true, alpha: scale }));
    const weights = stack(ops.softmax(b, ops.add(b, scores, mask)));
    return { queries, stack, unstack, q, k, v, weights };
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
    const both = 2 * kvHeads;
    const state = [none(heads), none(both), none(both)];
    const shapes = [
      [1, heads, 'done', headDim],
      [1, both, 'done', headDim],
      [1, both, 'waiting', headDim],
    ];
    const { state: made } = ops.loop(g, count(), state, shapes, 'blocks', (b, i, [dQueries, dKeys, waiting]) => {
      const { queries, stack, unstack, q, k, v, weights } = open(b, ops.sub(b, final, i));
      const slope = stack(queries(slopes));
      const dWeights = unstack(ops.matmul(b, slope, v, { transB: true }));
      const dScores = ops.mul(b, weights, stack(ops.sub(b, dWeights, queries(sums))));
      const dQuery = unstack(ops.matmul(b, dScores, k, { alpha: scale }));
      // Of keys and values, side by side as if they were heads.
      const dKey = ops.matmul(b, dScores, q, { transA: true, alpha: scale });
      const dValue = ops.matmul(b, weights, slope, { transA: true });
      b.defineDim('rest', ops.sub(b, b.dim('keys'), b.dim('waiting')));
      const padded = ops.concat(b, [waiting, ops.zeros(b, [1, both, 'rest', headDim])], 2);
      const part = ops.concat(b, [dKey, dValue], 1);
      const [earlier, own] = ops.split(b, { ...ops.add(b, part, { ...padded, shape: part.shape }), shape: [1, both, 'h+n', headDim] }, ['h', 'n'], 2);
      return { state: [ops.concat(b, [dQuery, dQueries], 2), ops.concat(b, [own, dKeys], 2), earlier], scan: [] };
    }); // prettier-ignore
    const whole = (x: Tensor, heads: number): Tensor => ({ ...x, shape: [1, heads, S, headDim] });
    const [dKey, dValue] = ops.split(g, whole(made[1], both), [kvHeads, kvHeads], 1);
    const gradients = [whole(made[0], heads), dKey, dValue];
    return gradients.map((gradient) => (sum?: Tensor) => (sum ? ops.add(g, sum, gradient) : gradient));
  };
  return { build, rule };
}
