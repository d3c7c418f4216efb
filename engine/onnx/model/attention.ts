/** Attention over prompts and their responses laid end to end: each response sees its prompt and itself, nothing else. */
import * as ops from '../graph/ops.ts';
import { product, type Shape } from '../graph/shape.ts';
import type { Graph, Tensor, Rule } from '../graph/tensor.ts';
import type { ModelConfig } from '../../model-files/config.ts';
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
  // The queries that share a key head are neighbours: no key is copied for them.
  const group = heads / kvHeads;
  const grouped = [kvHeads, group, S, headDim];
  const count = () => ops.reshape(g, ops.sizeOf(g, blocks.shape[0]), []);
  const narrow = (b: Graph, x: Tensor) => ops.cast(b, x, query.type);

  /** Queries, keys and values by the group. */
  const arrange = (g: Graph) => {
    const [k, v] = [key, value].map((x) => ops.reshape(g, x, [kvHeads, 1, S, headDim]));
    return { queries: ops.reshape(g, query, grouped), k, v };
  };

  /** What a block computes with: its n queries, the keys they see, and their weights, float32 [kvHeads, group, n, keys]. */
  const open = (b: Graph, block: Tensor, whole: ReturnType<typeof arrange>) => {
    const [promptStart, promptEnd, segment, start, end, n, h] = ops.split(
      b,
      ops.gather(b, blocks, block),
      BLOCK.map(() => 1),
      0,
    );
    b.defineDim('n', n);
    b.defineDim('h', h);
    b.defineDim('keys', ops.add(b, h, n));
    const own = (x: Tensor) => ops.slice(b, x, 2, start, end, 'n');
    const seen = (x: Tensor) => {
      const pieces = [ops.slice(b, x, 2, promptStart, promptEnd, 'p'), ops.slice(b, x, 2, segment, end, 's')];
      return named(ops.concat(b, pieces, 2), [kvHeads, 1, 'keys', headDim]);
    };
    // Row i, a query, sees the first h + i + 1 keys.
    const hidden = ops.expand(b, b.floats([HIDDEN], [1, 1]), ['n', 'keys']);
    const mask = ops.upperTriangle(b, hidden, ops.add(b, h, b.ints([1])));
    const [q, k, v] = [own(whole.queries), seen(whole.k), seen(whole.v)];
    const scores = ops.wide(b, ops.matmul(b, q, k, { transB: true, alpha: scale }));
    return { own, q, k, v, weights: ops.softmax(b, ops.add(b, scores, mask)) };
  };

  const build = () => {
    const whole = arrange(g);
    const { state } = ops.loop(
      g,
      count(),
      [ops.zeros(g, [0, width], query.type)],
      [['done', width]],
      'blocks',
      (b, block, [done]) => {
        const { v, weights } = open(b, block, whole);
        const attended = ops.transpose(b, ops.matmul(b, narrow(b, weights), v), [2, 0, 1, 3]);
        return { state: [ops.concat(b, [done, ops.reshape(b, attended, ['n', width])], 0)], scan: [] };
      },
    );
    return [named(state[0], [S, width])];
  };

  // With y = p v, p = softmax(s), s = scale q k^T:
  //   dv = p^T dy;  ds = p (dy v^T - sum(dy y));  dq = scale ds k;  dk = scale ds^T q
  // From the last block to the first: what comes back to keys before a block's own waits until their block's turn.
  const rule: Rule = (g, { outputs: [y] }, [dy]) => {
    const whole = arrange(g);
    const apart = (x: Tensor) => ops.reshape(g, x, [S, kvHeads, group, headDim]);
    const slopes = ops.transpose(g, apart(dy!), [1, 2, 0, 3]);
    const sums = ops.transpose(
      g,
      ops.reduceSum(g, apart(ops.mul(g, ops.wide(g, dy!), ops.wide(g, y))), -1),
      [1, 2, 0, 3],
    );
    const final = ops.sub(g, count(), g.ints([1], []));
    // Gradients of keys and values lie side by side, as if they were heads.
    const both = 2 * kvHeads;
    const none = ops.zeros(g, [both, 0, headDim]);
    const state = [ops.zeros(g, [kvHeads, group, 0, headDim], query.type), none, none];
    const shapes = [
      [kvHeads, group, 'done', headDim],
      [both, 'done', headDim],
      [both, 'waiting', headDim],
    ];
    const { state: made } = ops.loop(g, count(), state, shapes, 'blocks', (b, i, [dQueries, dKeys, waiting]) => {
      const { own, q, k, v, weights } = open(b, ops.sub(b, final, i), whole);
      const slope = own(slopes);
      const dWeights = ops.wide(b, ops.matmul(b, slope, v, { transB: true }));
      const dScores = narrow(b, ops.mul(b, weights, ops.sub(b, dWeights, own(sums))));
      const dQuery = ops.matmul(b, dScores, k, { alpha: scale });
      // A key's gradient is of all queries of its group.
      const stack = (x: Tensor) => ops.reshape(b, x, [kvHeads, product([group, 'n']), x.shape[3]]);
      const dKey = ops.matmul(b, stack(dScores), stack(q), { transA: true, alpha: scale });
      const dValue = ops.matmul(b, stack(narrow(b, weights)), stack(slope), { transA: true });
      const part = ops.wide(b, ops.concat(b, [dKey, dValue], 0));
      b.defineDim('rest', ops.sub(b, b.dim('keys'), b.dim('waiting')));
      const padded = ops.concat(b, [waiting, ops.zeros(b, [both, 'rest', headDim])], 1);
      const total = ops.add(b, part, named(padded, part.shape));
      const [earlier, done] = ops.split(b, named(total, [both, 'h+n', headDim]), ['h', 'n'], 1);
      return { state: [ops.concat(b, [dQuery, dQueries], 2), ops.concat(b, [done, dKeys], 1), earlier], scan: [] };
    });
    const [dKey, dValue] = ops.split(g, named(made[1], [both, S, headDim]), [kvHeads, kvHeads], 0);
    const gradients = [named(made[0], grouped), dKey, dValue].map((gradient, i) =>
      narrow(g, ops.reshape(g, gradient, [query, key, value][i].shape)),
    );
    return gradients.map((gradient) => (sum?: Tensor) => (sum ? ops.add(g, sum, gradient) : gradient));
  };
  return { build, rule };
}

/** A tensor whose sizes the caller knows by other names. */
const named = (x: Tensor, shape: Shape): Tensor => ({ ...x, shape });
