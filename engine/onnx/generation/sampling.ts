/** Sampling of the next token inside the graph: greedy, temperature, top-k, top-p. */
import * as ops from '../graph/ops.ts';
import { product, type Dim } from '../graph/shape.ts';
import type { Graph, Tensor } from '../graph/tensor.ts';
import type { SamplingSettings } from '../../protocol/settings.ts';

/** Below this temperature decoding is greedy, as in vLLM: logits divided by less may overflow. */
const GREEDY_BELOW = 1e-5;

const isGreedy = (temperature: number) => temperature < GREEDY_BELOW;

/** The factor of the logits at this temperature. Undefined if they are taken as they are. */
export const logitScale = (temperature: number): number | undefined =>
  isGreedy(temperature) || temperature === 1 ? undefined : 1 / temperature;

/** What the decode graph depends on: settings with the same one can share a session. */
export function graphChoice({ samplesPerPrompt, temperature, topK, topP, weights }: SamplingSettings) {
  const greedy = isGreedy(temperature);
  const scaled = logitScale(temperature) !== undefined;
  return { samplesPerPrompt, weights, greedy, scaled, ...(!greedy && { topK, topP }) };
}

/**
 * The next token of each row. Filters are applied in transformers' order: temperature, top-k, top-p.
 * @param logits float32 [B, V]
 * @param uniforms one random number in [0, 1) per row, [B]; not used by greedy decoding
 * @param scale logitScale() of the temperature
 * @returns int64 [B]
 */
export function nextToken(
  g: Graph,
  logits: Tensor,
  uniforms: Tensor,
  { temperature, topK, topP }: Pick<SamplingSettings, 'temperature' | 'topK' | 'topP'>,
  scale: Tensor | undefined,
): Tensor {
  if (isGreedy(temperature)) return ops.argmax(g, logits);
  const V = logits.shape[1] as number;
  const scaled = scale ? ops.mul(g, logits, scale) : logits;
  const all = topK === 0 || topK >= V;
  if (all && topP === 1) return drawIndex(g, ops.softmax(g, scaled), uniforms);

  const [largest, tokens] = all ? likeliest(g, ops.softmax(g, scaled), topP) : ops.topK(g, scaled, topK);
  const probabilities = all ? largest : ops.softmax(g, largest);
  const index = ops.unsqueeze(g, drawIndex(g, topP < 1 ? nucleus(g, probabilities, topP) : probabilities, uniforms), 1);
  return ops.reshape(g, ops.gatherColumns(g, tokens, index), [logits.shape[0]]);
}

/**
 * The tokens that top-p may keep, and perhaps a few more, likeliest first. Tokens of a probability below (1 - topP) / V together have
 * less than 1 - topP, so the others reach topP without them. Sorting only those takes less time than sorting a vocabulary.
 * @param probabilities [B, V]
 */
function likeliest(g: Graph, probabilities: Tensor, topP: number): [probabilities: Tensor, tokens: Tensor] {
  const [B, V] = probabilities.shape as [Dim, number];
  const likely = ops.cast(g, ops.greaterOrEqual(g, probabilities, g.scalar((1 - topP) / V)), 'float32');
  const most = ops.reduceMax(g, ops.reshape(g, ops.reduceSum(g, likely, -1), [B]), 0);
  g.defineDim('likely', ops.cast(g, most, 'int64'));
  return ops.topK(g, probabilities, 'likely');
}

/**
 * The probabilities that top-p keeps, and zeros for the others (arXiv 1904.09751, equation 2). A token is kept while the sum of
 * those before it is below topP: the token that reaches topP is kept, and the first always is.
 * @param probabilities each row in descending order
 */
function nucleus(g: Graph, probabilities: Tensor, topP: number): Tensor {
  const before = ops.cumulativeSum(g, probabilities, { exclusive: true });
  return ops.where(g, ops.less(g, before, g.scalar(topP)), probabilities, g.scalar(0));
}

/** Weights per span: a cumulative sum over a whole vocabulary is one long chain of additions, and took longer than its softmax. */
const SPAN = 128;

/**
 * Inverse transform sampling: the first index whose cumulative weight exceeds u times the total. Among many weights, the span that
 * contains it is found first, by the sums of spans.
 * @param weights not necessarily normalized, [B, n]
 * @returns int64 [B]
 */
function drawIndex(g: Graph, weights: Tensor, uniforms: Tensor): Tensor {
  const [B, n] = weights.shape;
  const share = ops.unsqueeze(g, uniforms, 1);
  if (typeof n !== 'number' || n <= SPAN) {
    const cumulative = ops.cumulativeSum(g, weights);
    return firstAbove(g, cumulative, ops.mul(g, ops.reduceMax(g, cumulative, -1), share));
  }
  const count = Math.ceil(n / SPAN);
  const rest = count * SPAN - n;
  const padded = rest === 0 ? weights : ops.concat(g, [weights, ops.zeros(g, [B, rest])], -1);
  const spans = ops.reshape(g, padded, [B, count, SPAN]);
  const sums = ops.reshape(g, ops.reduceSum(g, spans, -1), [B, count]);
  const cumulative = ops.cumulativeSum(g, sums);
  const target = ops.mul(g, ops.reduceMax(g, cumulative, -1), share);
  const span = ops.unsqueeze(g, firstAbove(g, cumulative, target), 1);
  const before = ops.gatherColumns(g, ops.cumulativeSum(g, sums, { exclusive: true }), span);
  const first = ops.mul(g, ops.unsqueeze(g, ops.range(g, B), 1), g.ints([count]));
  const weightsOfSpan = ops.gather(
    g,
    ops.reshape(g, spans, [product([B, count]), SPAN]),
    ops.reshape(g, ops.add(g, first, span), [B]),
  );
  const within = firstAbove(g, ops.cumulativeSum(g, weightsOfSpan), ops.sub(g, target, before));
  return ops.add(g, ops.reshape(g, ops.mul(g, span, g.ints([SPAN])), [B]), within);
}

/**
 * The first index of each row whose cumulative weight is above the target. A target that rounding has put below zero or not below
 * the total is moved between them, so that the index always has a positive weight.
 * @param cumulative [B, n]
 * @param target [B, 1]
 */
function firstAbove(g: Graph, cumulative: Tensor, target: Tensor): Tensor {
  const belowTotal = ops.mul(g, ops.reduceMax(g, cumulative, -1), g.scalar(1 - 2 ** -23));
  const within = ops.max(g, ops.min(g, target, belowTotal), g.scalar(0));
  return ops.argmax(g, ops.cast(g, ops.less(g, within, cumulative), 'float32'));
}
