/** The necessary floating-point operations of a SELM step, computed from its shapes. */
import type { ModelConfig } from '../engine/model-files/config.ts';
import type { Work } from './work.ts';
import { parameterShapes } from '../engine/model-files/shapes.ts';

/** A product of a matrix with a row of its inputs multiplies and adds once per weight. */
const PER_WEIGHT = 2;

const FIRST = /layers\.0\.self_attn\.[qkv]_proj/;

type Preference = Work['preferences'][number];

const triangle = (n: number) => (n * (n + 1)) / 2;

/** The number of pairs of a query and a visible key: causal within the prompt, and prompt and response for a response. */
function visiblePairs(prompt: number, responses: number[]): number {
  return triangle(prompt) + responses.reduce((sum, n) => sum + triangle(n) + n * prompt, 0);
}

/**
 * One step with LoRA of this rank on all linear layers, without its reference log-probabilities. A prompt and each different
 * response count once. Frozen linear layers: forward, and backward to their inputs, except for the first layer's
 * queries, keys and values; LoRA matrices: also to their weights, three products in total; attention: two products forward, four
 * backward, of keys with the queries that see them; head: forward and backward on response tokens. Recomputation to save
 * memory does not count.
 */
export function stepFlops(config: ModelConfig, rank: number, preferences: Preference[]): number {
  const { hiddenSize, vocabSize, layers, heads, headDim } = config;
  const linear = [...parameterShapes(config)].filter(([name, shape]) => name.includes('_proj') && shape.length === 2);
  const frozen = linear.reduce((sum, [, [out, inputs]]) => sum + out * inputs, 0);
  const unasked = linear.reduce((sum, [name, [out, inputs]]) => sum + (FIRST.test(name) ? out * inputs : 0), 0);
  const trained = linear.reduce((sum, [, [out, inputs]]) => sum + rank * (out + inputs), 0);
  let flops = 0;
  for (const { prompt, chosen, rejected, reference } of preferences) {
    const unique = new Map([chosen, rejected, reference].map((response) => [response.join(), response.length]));
    const responses = [...unique.values()];
    const answered = responses.reduce((a, b) => a + b, 0);
    flops += (prompt.length + answered) * PER_WEIGHT * (2 * frozen - unasked + 3 * trained);
    flops += visiblePairs(prompt.length, responses) * PER_WEIGHT * layers * heads * headDim * 6;
    flops += answered * PER_WEIGHT * hiddenSize * vocabSize * 2;
  }
  return flops;
}
