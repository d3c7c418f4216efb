/** The Llama family's decoder as a graph, up to the last hidden state. How positions see each other is the caller's part. */
import * as ops from '../graph/ops.ts';
import { product } from '../graph/shape.ts';
import type { Graph, Shape, Tensor } from '../graph/tensor.ts';
import { ropeFrequencies, type ModelConfig } from './config.ts';
import { projections, type Projection } from './lora.ts';
import { hasBias, type Parameters } from './parameters.ts';

/** Query, key and value of one layer, normalized and rotated, [G, heads, S, headDim] each (fewer heads for key and value). */
export interface Heads {
  query: Tensor;
  key: Tensor;
  value: Tensor;
}

/** Lets queries see keys: returns the attended values, [G, heads, S, headDim]. */
export type Attend = (layer: number, heads: Heads) => Tensor;

/** Rotary tables for the tokens at hand. */
interface Rotary {
  rows: Tensor;
  cos: Tensor;
  sin: Tensor;
}

/**
 * Cosines and sines of every token's angles, computed from positions as float32 the way transformers does.
 * @param positions int64 [G, S]
 */
function rotaryTables(g: Graph, config: ModelConfig, positions: Tensor): Rotary {
  const count = product(positions.shape);
  const frequencies = ropeFrequencies(config);
  const column = ops.cast(g, ops.reshape(g, positions, [count, 1]), 'float32', 1);
  const angles = ops.mul(g, column, g.floats([...frequencies], [1, frequencies.length]));
  const rows = ops.reshape(g, ops.range(g, count), positions.shape);
  return { rows, cos: ops.cos(g, angles), sin: ops.sin(g, angles) };
}

/**
 * @param ids token ids, int64 [G, S]
 * @param positions places in their sequences, int64 [G, S]
 * @returns the final normalized hidden states, [G*S, hiddenSize]
 */
export function transformer(
  g: Graph,
  config: ModelConfig,
  parameters: Parameters,
  ids: Tensor,
  positions: Tensor,
  attend: Attend,
): Tensor {
  const { heads, kvHeads, headDim, normEpsilon } = config;
  const [G, S] = ids.shape;
  const tokens = product([G, S]);
  const rotary = rotaryTables(g, config, positions);

  const norm = (x: Tensor, name: string) => ops.rmsNorm(g, x, parameters.weight(name), normEpsilon)[0];

  /** y = x W^T + bias + scale (x A^T) B^T */
  const linear = (x: Tensor, prefix: string, projection: Projection) => {
    const name = `${prefix}.${projections[projection]}`;
    const c = hasBias(config, projection) ? parameters.weight(`${name}.bias`) : undefined;
    const y = ops.gemm(g, x, parameters.weight(`${name}.weight`), { transB: true, c });
    const lora = parameters.lora?.(name);
    if (!lora) return y;
    const low = ops.gemm(g, x, lora.a, { transB: true });
    return ops.gemm(g, low, lora.b, { transB: true, alpha: lora.scale, c: y });
  };

  const splitHeads = (x: Tensor, count: number, normName?: string) => {
    const shape: Shape = [G, S, count, headDim];
    let split = ops.reshape(g, x, shape);
    if (normName) split = norm(split, normName);
    return ops.transpose(g, split, [0, 2, 1, 3]);
  };

  const rotate = (x: Tensor) => ops.rotary(g, x, rotary.rows, rotary.cos, rotary.sin);

  const attention = (x: Tensor, layer: number, prefix: string) => {
    const [queryNorm, keyNorm] = ['q', 'k'].map((part) =>
      config.qkNorm ? `${prefix}.self_attn.${part}_norm.weight` : undefined,
    );
    const query = rotate(splitHeads(linear(x, prefix, 'q_proj'), heads, queryNorm));
    const key = rotate(splitHeads(linear(x, prefix, 'k_proj'), kvHeads, keyNorm));
    const value = splitHeads(linear(x, prefix, 'v_proj'), kvHeads);
    const attended = ops.transpose(g, attend(layer, { query, key, value }), [0, 2, 1, 3]);
    return linear(ops.reshape(g, attended, [tokens, heads * headDim]), prefix, 'o_proj');
  };

  const feedForward = (x: Tensor, prefix: string) => {
    const gate = ops.silu(g, linear(x, prefix, 'gate_proj'));
    return linear(ops.mul(g, gate, linear(x, prefix, 'up_proj')), prefix, 'down_proj');
  };

  const embedded = ops.gather(g, parameters.weight('model.embed_tokens.weight'), ids);
  let x = ops.reshape(g, embedded, [tokens, config.hiddenSize]);
  for (let layer = 0; layer < config.layers; layer++) {
    const prefix = `model.layers.${layer}`;
    x = ops.add(g, x, attention(norm(x, `${prefix}.input_layernorm.weight`), layer, prefix));
    x = ops.add(g, x, feedForward(norm(x, `${prefix}.post_attention_layernorm.weight`), prefix));
  }
  return norm(x, 'model.norm.weight');
}

/** The output layer's weight, [vocabSize, hiddenSize]. */
export function headWeight(config: ModelConfig, parameters: Parameters): Tensor {
  return parameters.weight(config.tieEmbeddings ? 'model.embed_tokens.weight' : 'lm_head.weight');
}
