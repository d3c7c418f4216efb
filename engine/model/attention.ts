/** Attention over whole sequences that share a prompt: each response sees the prompt and itself, not its siblings. */
import type { Rule } from '../graph/gradient.ts';
import * as ops from '../graph/ops.ts';
import type { Graph, Tensor } from '../graph/tensor.ts';
import type { ModelConfig } from './config.ts';
import type { Attend } from './transformer.ts';

/** Added to the score of a position that must not be seen: its weight is zero in float32 whatever the other scores are. */
export const HIDDEN = -1e9;

/** The segment of a prompt's tokens; responses count from 1, padding is negative. */
export const PROMPT = 0;

/**
 * Queries whose scores exist at the same time. Memory grows with the length of a sequence, not with its square, and keys that
 * come after a block's last query are not looked at.
 */
const BLOCK_QUERIES = 256;

/**
 * Causal attention within a group of segments: a token sees what stands before it in the prompt and in its own segment.
 * Padding stands at the end, so no real token sees it. The backward pass computes the weights of a block again rather than
 * keep them (as arXiv 2205.14135 does).
 * @param segments int64 [G, S]
 */
export function segmentedAttention(g: Graph, config: ModelConfig, segments: Tensor): Attend {
  const mask = segmentMask(g, segments);
  return (g, _layer, { query, key, value }) => {
    const attention = blockedAttention(g, config, mask, query, key, value);
    return g.composite('Attention', [query, key, value], attention.build, attention.rule)[0];
  };
}

/** 0 where a row's token sees a column's, else HIDDEN: [G, 1, S, S]. */
function segmentMask(g: Graph, segments: Tensor): Tensor {
  const [G, S] = segments.shape;
  const index = ops.range(g, S);
  const causal = ops.greaterOrEqual(g, ops.reshape(g, index, [S, 1]), ops.reshape(g, index, [1, S]));
  const [rows, columns] = [ops.reshape(g, segments, [G, S, 1]), ops.reshape(g, segments, [G, 1, S])];
  const related = ops.or(g, ops.equal(g, columns, g.ints([PROMPT], [])), ops.equal(g, rows, columns));
  const visible = ops.and(g, related, causal);
  return ops.unsqueeze(g, ops.where(g, visible, g.scalar(0), g.scalar(HIDDEN)), 1);
}

/**
 * @param mask [G, 1, S, S]
 * @param query [G, heads, S, headDim]
 * @param key,value [G, kvHeads, S, headDim]
 */
function blockedAttention(g: Graph, config: ModelConfig, mask: Tensor, query: Tensor, key: Tensor, value: Tensor) {
  const { heads, kvHeads, headDim } = config;
  const [G, , S] = query.shape;
  const scale = 1 / Math.sqrt(headDim);
  const length = ops.sizeOf(g, S);
  const size = g.ints([BLOCK_QUERIES]);
  const blocks = () => ops.reshape(g, ops.div(g, ops.add(g, length, g.ints([BLOCK_QUERIES - 1])), size), []);
  const none = () => ops.zeros(g, [G, heads, 0, headDim], query.type);
  const narrow = (b: Graph, x: Tensor) => ops.cast(b, x, query.type);
  const sofar = [G, heads, 'done', headDim];
  const whole = (x: Tensor): Tensor => ({ ...x, shape: query.shape });

  /**
   * What a block computes with: its n queries, which see the first e keys, and their weights. The queries that share a key
   * head lie side by side, so that one product serves them and no key is copied.
   */
  const open = (b: Graph, block: Tensor) => {
    const start = ops.mul(b, ops.reshape(b, block, [1]), size);
    const end = ops.min(b, ops.add(b, start, size), length);
    const first = b.ints([0]);
    b.defineDim('n', ops.sub(b, end, start));
    b.defineDim('e', end);
    b.defineDim('rest', ops.sub(b, length, end));
    const queries = (x: Tensor) => ops.slice(b, x, 2, start, end, 'n');
    const keys = (x: Tensor) => ops.slice(b, x, 2, first, end, 'e');
    const stack = (x: Tensor) => ops.reshape(b, x, [G, kvHeads, `${heads / kvHeads}*n`, x.shape[3]]);
    const unstack = (x: Tensor) => ops.reshape(b, x, [G, heads, 'n', x.shape[3]]);
    const q = stack(queries(query));
    const [k, v] = [keys(key), keys(value)];
    const scores = ops.wide(b, unstack(ops.matmul(b, q, k, { transB: true, alpha: scale })));
    const weights = ops.softmax(b, ops.add(b, scores, ops.slice(b, queries(mask), 3, first, end, 'e')));
    return { queries, stack, unstack, q, k, v, weights };
  };

  const build = () => {
    const { state } = ops.loop(g, blocks(), [none()], [sofar], 'blocks', (b, block, [done]) => {
      const { stack, unstack, v, weights } = open(b, block);
      const attended = unstack(ops.matmul(b, narrow(b, stack(weights)), v));
      return { state: [ops.concat(b, [done, attended], 2)], scan: [] };
    });
    return [whole(state[0])];
  };

  // With y = p v, p = softmax(s), s = scale q k^T:
  //   dv = p^T dy;  ds = p (dy v^T - sum(dy y));  dq = scale ds k;  dk = scale ds^T q
  const rule: Rule = (g, { outputs: [y] }, [dy]) => {
    const sums = ops.reduceSum(g, ops.mul(g, ops.wide(g, dy!), ops.wide(g, y)), -1);
    const start = [none(), ops.zeros(g, key.shape), ops.zeros(g, value.shape)];
    const { state } = ops.loop(g, blocks(), start, [sofar, key.shape, value.shape], 'blocks', (b, block, [dq, dk, dv]) => {
      const { queries, stack, unstack, q, k, v, weights } = open(b, block);
      const onto = (sum: Tensor, part: Tensor) => {
        const padded = ops.concat(b, [ops.wide(b, part), ops.zeros(b, [G, kvHeads, 'rest', headDim])], 2);
        return ops.add(b, sum, { ...padded, shape: sum.shape });
      };
      const slope = stack(queries(dy!));
      const dWeights = ops.wide(b, unstack(ops.matmul(b, slope, v, { transB: true })));
      const dScores = narrow(b, stack(ops.mul(b, weights, ops.sub(b, dWeights, queries(sums)))));
      const dQuery = unstack(ops.matmul(b, dScores, k, { alpha: scale }));
      return {
        state: [
          ops.concat(b, [dq, dQuery], 2),
          onto(dk, ops.matmul(b, dScores, q, { transA: true, alpha: scale })),
          onto(dv, ops.matmul(b, narrow(b, stack(weights)), slope, { transA: true })),
        ],
        scan: [],
      };
    }); // prettier-ignore
    const gradients = [whole(state[0]), narrow(g, state[1]), narrow(g, state[2])];
    return gradients.map((gradient) => (sum?: Tensor) => (sum ? ops.add(g, sum, gradient) : gradient));
  };
  return { build, rule };
}
