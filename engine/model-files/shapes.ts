/** Names and shapes of a model's tensors, from its configuration alone. */
import type { LlamaConfig } from './llama-config.ts';
import { EMBEDDING, OUTPUT } from './embeddings.ts';

/** The linear layers of a transformer layer, and their paths in Hugging Face's names. */
export const projections = {
  q_proj: 'self_attn.q_proj',
  k_proj: 'self_attn.k_proj',
  v_proj: 'self_attn.v_proj',
  o_proj: 'self_attn.o_proj',
  gate_proj: 'mlp.gate_proj',
  up_proj: 'mlp.up_proj',
  down_proj: 'mlp.down_proj',
} as const;
export type Projection = keyof typeof projections;

/** [out, in] of a linear layer. */
function linearShape(config: LlamaConfig, projection: Projection): [number, number] {
  const { hiddenSize, intermediateSize, heads, kvHeads, headDim } = config;
  const shapes: Record<Projection, [number, number]> = {
    q_proj: [heads * headDim, hiddenSize],
    k_proj: [kvHeads * headDim, hiddenSize],
    v_proj: [kvHeads * headDim, hiddenSize],
    o_proj: [hiddenSize, heads * headDim],
    gate_proj: [intermediateSize, hiddenSize],
    up_proj: [intermediateSize, hiddenSize],
    down_proj: [hiddenSize, intermediateSize],
  };
  return shapes[projection];
}

/** Name and shape of every tensor of a model with this configuration. */
export function parameterShapes(config: LlamaConfig): Map<string, number[]> {
  const shapes = new Map<string, number[]>();
  const { hiddenSize, vocabSize, headDim } = config;
  shapes.set(EMBEDDING, [vocabSize, hiddenSize]);
  for (let layer = 0; layer < config.layers; layer++) {
    const prefix = `model.layers.${layer}`;
    shapes.set(`${prefix}.input_layernorm.weight`, [hiddenSize]);
    for (const [projection, path] of Object.entries(projections) as [Projection, string][]) {
      const [rows, columns] = linearShape(config, projection);
      shapes.set(`${prefix}.${path}.weight`, [rows, columns]);
      if (hasBias(config, projection)) shapes.set(`${prefix}.${path}.bias`, [rows]);
    }
    if (config.qkNorm) for (const part of ['q', 'k']) shapes.set(`${prefix}.self_attn.${part}_norm.weight`, [headDim]);
    shapes.set(`${prefix}.post_attention_layernorm.weight`, [hiddenSize]);
  }
  shapes.set('model.norm.weight', [hiddenSize]);
  if (config.labels !== undefined) shapes.set('score.weight', [config.labels, hiddenSize]);
  else if (!config.tieEmbeddings) shapes.set(OUTPUT, [vocabSize, hiddenSize]);
  return shapes;
}

/** Whether a linear layer has a bias. */
export function hasBias(config: LlamaConfig, projection: Projection): boolean {
  if (projection === 'o_proj') return config.outputBias;
  return projections[projection].startsWith('self_attn') ? config.attentionBias : config.mlpBias;
}
