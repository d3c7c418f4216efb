/** Attention over whole sequences that share a prompt: each response sees the prompt and itself, not its siblings. */
import * as ops from '../graph/ops.ts';
import type { Graph, Tensor } from '../graph/tensor.ts';
import type { ModelConfig } from './config.ts';
import type { Attend } from './transformer.ts';

/** Added to the score of a position that must not be seen: its weight is zero in float32 whatever the other scores are. */
export const HIDDEN = -1e9;

/** The segment of a prompt's tokens; responses count from 1, padding is negative. */
export const PROMPT = 0;

/**
 * Causal attention within a group of segments: a token sees what stands before it in the prompt and in its own segment.
 * Padding stands at the end, so no real token sees it.
 * @param segments int64 [G, S]
 */
export function segmentedAttention(g: Graph, config: ModelConfig, segments: Tensor): Attend {
  const { heads, kvHeads, headDim } = config;
  const [G, S] = segments.shape;
  const index = ops.range(g, S);
  const causal = ops.greaterOrEqual(g, ops.reshape(g, index, [S, 1]), ops.reshape(g, index, [1, S]));
  const [rows, columns] = [ops.reshape(g, segments, [G, S, 1]), ops.reshape(g, segments, [G, 1, S])];
  const related = ops.or(g, ops.equal(g, columns, g.ints([PROMPT], [])), ops.equal(g, rows, columns));
  const visible = ops.and(g, related, causal);
  const mask = ops.unsqueeze(g, ops.where(g, visible, g.scalar(0), g.scalar(HIDDEN)), 1);

  return (_layer, { query, key, value }) => {
    // The queries that share a key head lie side by side: one product serves them, no key is copied.
    const stacked = `${heads / kvHeads}*${S}`;
    const grouped = ops.reshape(g, query, [G, kvHeads, stacked, headDim]);
    const scores = ops.matmul(g, grouped, key, { transB: true, alpha: 1 / Math.sqrt(headDim) });
    const weights = ops.softmax(g, ops.add(g, ops.reshape(g, scores, [G, heads, S, S]), mask));
    const attended = ops.matmul(g, ops.reshape(g, weights, [G, kvHeads, stacked, S]), value);
    return ops.reshape(g, attended, [G, heads, S, headDim]);
  };
}
