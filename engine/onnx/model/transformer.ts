/** The Llama family's decoder as a graph, up to the final hidden states. The caller provides attention. */
import * as ops from '../graph/ops.ts';
import { recomputed } from '../graph/recompute.ts';
import { product as dimProduct, type Shape } from '../graph/shape.ts';
import type { Graph, Tensor } from '../graph/tensor.ts';
import { ropeFrequencies, type LlamaConfig } from '../../model-files/llama-config.ts';
import { gatedSilu } from './gated.ts';
import { EMBEDDING, OUTPUT } from '../../model-files/embeddings.ts';
import { type Parameters } from './parameters.ts';
import { quantizedProduct, quantizedRows } from './quantize.ts';
import { hasBias, projections, type Projection } from '../../model-files/shapes.ts';

/** Query, key and value of one layer, normalized and rotated, [G, heads, S, headDim] each (fewer heads for key and value). */
interface Heads {
  query: Tensor;
  key: Tensor;
  value: Tensor;
}

/** Attention of one layer. @returns the attended values, [G*S, heads * headDim] */
export type Attend = (g: Graph, layer: number, heads: Heads) => Tensor;

/** Rotary tables, with one row per token. */
interface Rotary {
  /** Each token's row, int64 [G, S]. */
  rows: Tensor;
  /** [G*S, headDim / 2] */
  cos: Tensor;
  /** [G*S, headDim / 2] */
  sin: Tensor;
}

/**
 * Cosines and sines of every token's angles, computed from float32 positions as in transformers.
 * @param positions int64 [G, S]
 */
function rotaryTables(g: Graph, config: LlamaConfig, positions: Tensor): Rotary {
  const count = dimProduct(positions.shape);
  const frequencies = ropeFrequencies(config);
  const column = ops.cast(g, ops.reshape(g, positions, [count, 1]), 'float32');
  const angles = ops.mul(g, column, g.floats([...frequencies], [1, frequencies.length]));
  const rows = ops.reshape(g, ops.range(g, count), positions.shape);
  return { rows, cos: ops.cos(g, angles), sin: ops.sin(g, angles) };
}

/**
 * Appends the decoder for G rows of S tokens.
 * @param ids token ids, int64 [G, S]
 * @param positions of the tokens in their sequences, from 0, int64 [G, S]
 * @param recompute whether the backward pass computes each layer's activations again from the layer's input
 * @returns the normalized hidden states after the last layer, [G*S, hiddenSize]
 */
export function transformer(
  g: Graph,
  config: LlamaConfig,
  parameters: Parameters,
  ids: Tensor,
  positions: Tensor,
  attend: Attend,
  recompute = false,
): Tensor {
  const { rows, cos, sin } = rotaryTables(g, config, positions);
  const embedded = ops.gather(g, parameters.weight(EMBEDDING), ids);
  const rotary = { rows, cos, sin };
  const layer = decoderLayer(config, parameters, rotary, attend, ids.shape);
  let x = ops.reshape(g, embedded, [dimProduct(ids.shape), config.hiddenSize]);
  for (let i = 0; i < config.layers; i++) {
    x = recompute ? recomputed(g, x, (part, input) => layer(part, i, input)) : layer(g, i, x);
  }
  return ops.rmsNorm(g, x, parameters.weight('model.norm.weight'), config.normEpsilon)[0];
}

/** @returns what appends one layer to a graph: from hidden states [G*S, hiddenSize] to the next */
function decoderLayer(
  config: LlamaConfig,
  parameters: Parameters,
  rotary: Rotary,
  attend: Attend,
  [G, S]: Shape,
): (g: Graph, layer: number, x: Tensor) => Tensor {
  const { heads, kvHeads, headDim, normEpsilon } = config;

  const norm = (g: Graph, x: Tensor, name: string) => ops.rmsNorm(g, x, parameters.weight(name), normEpsilon)[0];

  /**
   * y = x W^T + bias + scale (x A^T) B^T (LoRA, arXiv 2106.09685, equation 3) for linear layers with the same input. One product
   * computes x A^T for all of them, and one computes its gradient.
   */
  const linear = (g: Graph, x: Tensor, prefix: string, ...names: Projection[]) => {
    const product = products(g, parameters, x);
    const layers = names.map((projection) => {
      const name = `${prefix}.${projections[projection]}`;
      const bias = hasBias(config, projection) ? parameters.weight(`${name}.bias`) : undefined;
      return { y: product(`${name}.weight`, bias), lora: parameters.lora?.(name) };
    });
    const loras = layers.flatMap(({ lora }) => lora ?? []);
    const lows = lowRanks(
      g,
      x,
      loras.map(({ a }) => a),
    );
    return layers.map(({ y, lora }) => {
      if (!lora) return y;
      return ops.gemm(g, lows[loras.indexOf(lora)], lora.b, { transB: true, alpha: lora.scale, c: y });
    });
  };

  /** [G*S, count * headDim] to [G, count, S, headDim], normalized where the model normalizes queries and keys. */
  const splitHeads = (g: Graph, x: Tensor, count: number, normName?: string) => {
    const alone = S === 1;
    let split = ops.reshape(g, x, alone ? [G, count, S, headDim] : [G, S, count, headDim]);
    if (normName) split = norm(g, split, normName);
    return alone ? split : ops.transpose(g, split, [0, 2, 1, 3]);
  };

  const rotate = (g: Graph, x: Tensor) => ops.rotary(g, x, rotary.rows, rotary.cos, rotary.sin);

  const attention = (g: Graph, x: Tensor, layer: number, prefix: string) => {
    const [queryNorm, keyNorm] = ['q', 'k'].map((part) =>
      config.qkNorm ? `${prefix}.self_attn.${part}_norm.weight` : undefined,
    );
    const [q, k, v] = linear(g, x, prefix, 'q_proj', 'k_proj', 'v_proj');
    const query = rotate(g, splitHeads(g, q, heads, queryNorm));
    const key = rotate(g, splitHeads(g, k, kvHeads, keyNorm));
    const value = splitHeads(g, v, kvHeads);
    return linear(g, attend(g, layer, { query, key, value }), prefix, 'o_proj')[0];
  };

  const feedForward = (g: Graph, x: Tensor, prefix: string) => {
    const [gate, up] = linear(g, x, prefix, 'gate_proj', 'up_proj');
    return linear(g, gatedSilu(g, gate, up), prefix, 'down_proj')[0];
  };

  return (g, layer, x) => {
    const prefix = `model.layers.${layer}`;
    const y = ops.add(g, x, attention(g, norm(g, x, `${prefix}.input_layernorm.weight`), layer, prefix));
    return ops.add(g, y, feedForward(g, norm(g, y, `${prefix}.post_attention_layernorm.weight`), prefix));
  };
}

/** x A^T, [N, rank], for each A [rank, in]. */
function lowRanks(g: Graph, x: Tensor, as: Tensor[]): Tensor[] {
  if (as.length < 2) return as.map((a) => ops.gemm(g, x, a, { transB: true }));
  const all = ops.gemm(g, x, ops.concat(g, as, 0), { transB: true });
  return ops.split(
    g,
    all,
    as.map(({ shape }) => shape[0]),
    1,
  );
}

/** x W^T + bias, [N, out], for weights W with the same input, by name: in 8 bits where the parameters have them so. */
function products(g: Graph, parameters: Parameters, x: Tensor): (name: string, bias?: Tensor) => Tensor {
  const { weight, quantized } = parameters;
  if (!quantized) return (name, bias) => ops.gemm(g, x, weight(name), { transB: true, c: bias });
  const rounded = quantizedRows(g, x);
  return (name, bias) => {
    const y = quantizedProduct(g, rounded, quantized(name));
    return bias ? ops.add(g, y, bias) : y;
  };
}

const headName = ({ tieEmbeddings }: LlamaConfig) => (tieEmbeddings ? EMBEDDING : OUTPUT);

/** The weight of the output layer, [vocabSize, hiddenSize]. */
export const headWeight = (config: LlamaConfig, parameters: Parameters): Tensor => parameters.weight(headName(config));

/** The logits of the next token, [N, vocabSize], from final hidden states [N, hiddenSize]. */
export const headLogits = (g: Graph, config: LlamaConfig, parameters: Parameters, hidden: Tensor): Tensor =>
  products(g, parameters, hidden)(headName(config));
