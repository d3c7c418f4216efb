/** The minimum number of floating-point operations of a SELM step, computed from its shapes. */
import type { LlamaConfig } from '../engine/model-files/llama-config.ts';
import type { Work } from './work.ts';
import { parameterShapes } from '../engine/model-files/shapes.ts';

/** Operations per weight when a matrix is multiplied with one row: a multiplication and an addition. */
const PER_WEIGHT = 2;

const FIRST = /layers\.0\.self_attn\.[qkv]_proj/;

type Preference = Work['preferences'][number];

const triangle = (n: number) => (n * (n + 1)) / 2;

/** The number of pairs of a query and a visible key. Prompt tokens see earlier prompt tokens, response tokens also see their response. */
function visiblePairs(prompt: number, responses: number[]): number {
  return triangle(prompt) + responses.reduce((sum, n) => sum + triangle(n) + n * prompt, 0);
}

/**
 * Operations of one step with LoRA on all linear layers, without the reference log-probabilities. A prompt and each distinct response
 * are counted once. Recomputation that saves memory is not counted.
 * - Frozen linear layers: forward, and backward to their inputs (except for the first layer's queries, keys and values).
 * - LoRA matrices: forward, backward to their inputs, and backward to their weights.
 * - Attention: two products forward and four backward, for pairs of a query and a visible key.
 * - Output layer: forward and backward, for response tokens only.
 */
export function stepFlops(config: LlamaConfig, rank: number, preferences: Preference[]): number {
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
