/** Choosing the next token inside the graph: greedy, temperature, top-k, top-p. */
import * as ops from '../graph/ops.ts';
import type { Graph, Tensor } from '../graph/tensor.ts';
import type { SamplingSettings } from '../settings.ts';

/**
 * The next token of each row. Filters apply in the order transformers has them: temperature, top-k, top-p.
 * @param logits [B, V]
 * @param uniforms one random number in [0, 1) a row, [B]; not used by greedy decoding
 * @returns int64 [B]
 */
export function nextToken(g: Graph, logits: Tensor, uniforms: Tensor, settings: SamplingSettings): Tensor {
  const { temperature, topK, topP } = settings;
  if (temperature === 0) return ops.argmax(g, logits);
  const V = logits.shape[1] as number;
  const scaled = temperature === 1 ? logits : ops.mul(g, logits, g.scalar(1 / temperature));
  if (topP === 1 && (topK === 0 || topK >= V)) return drawIndex(g, ops.softmax(g, scaled), uniforms);

  const [values, tokens] = ops.topK(g, scaled, topK === 0 ? V : Math.min(topK, V));
  const probabilities = ops.softmax(g, values);
  let kept = probabilities;
  if (topP < 1) {
    // A token stays while the mass before it is below topP: the one that crosses the line is kept, as is always the first.
    const before = ops.sub(g, ops.cumulativeSum(g, probabilities), probabilities);
    kept = ops.where(g, ops.less(g, before, g.scalar(topP)), probabilities, g.scalar(0));
  }
  const place = ops.unsqueeze(g, drawIndex(g, kept, uniforms), 1);
  return ops.reshape(g, ops.gatherColumns(g, tokens, place), [logits.shape[0]]);
}

/**
 * Inverse-transform sampling: the first index whose cumulative weight exceeds u times the total.
 * @param weights not necessarily normalized, [B, n]
 */
function drawIndex(g: Graph, weights: Tensor, uniforms: Tensor): Tensor {
  const cumulative = ops.cumulativeSum(g, weights);
  const total = ops.reduceMax(g, cumulative, -1);
  // Below the total even where the product rounds up, so that the search always ends on an index of positive weight.
  const target = ops.mul(g, total, ops.min(g, ops.unsqueeze(g, uniforms, 1), g.scalar(1 - 2 ** -23)));
  const above = ops.cast(g, ops.less(g, target, cumulative), 'float32');
  return ops.argmax(g, above);
}
