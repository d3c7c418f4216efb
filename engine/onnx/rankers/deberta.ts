/**
 * DeBERTa-v3's encoder as a graph (arXiv 2111.09543), with disentangled attention: content and relative position have separate
 * embeddings (arXiv 2006.03654, equation 4).
 */
import * as ops from '../graph/ops.ts';
import { product } from '../graph/shape.ts';
import type { Graph, Tensor } from '../graph/tensor.ts';
import { HIDDEN } from '../model/attention-block.ts';
import type { PairRmConfig } from '../../rankers/deberta-config.ts';

type DebertaConfig = Omit<PairRmConfig, 'tasks' | 'sourceMaxLength' | 'candidateMaxLength'>;

/** The number of relative positions in one direction that have their own embedding. */
const spanOf = ({ positionBuckets, maxRelativePositions }: DebertaConfig) => positionBuckets || maxRelativePositions;

/** Name and shape of every tensor of the encoder. */
export function debertaShapes(config: DebertaConfig, prefix: string): Map<string, number[]> {
  const { vocabSize, hiddenSize, intermediateSize } = config;
  const shapes = new Map<string, number[]>();
  const linear = (name: string, rows: number, columns: number) =>
    shapes.set(`${prefix}${name}.weight`, [rows, columns]).set(`${prefix}${name}.bias`, [rows]);
  const norm = (name: string) => {
    for (const part of ['weight', 'bias']) shapes.set(`${prefix}${name}.LayerNorm.${part}`, [hiddenSize]);
  };
  shapes.set(`${prefix}embeddings.word_embeddings.weight`, [vocabSize, hiddenSize]);
  norm('embeddings');
  shapes.set(`${prefix}encoder.rel_embeddings.weight`, [2 * spanOf(config), hiddenSize]);
  norm('encoder');
  for (let i = 0; i < config.layers; i++) {
    const layer = `encoder.layer.${i}`;
    for (const part of ['query', 'key', 'value'])
      linear(`${layer}.attention.self.${part}_proj`, hiddenSize, hiddenSize);
    linear(`${layer}.attention.output.dense`, hiddenSize, hiddenSize);
    norm(`${layer}.attention.output`);
    linear(`${layer}.intermediate.dense`, intermediateSize, hiddenSize);
    linear(`${layer}.output.dense`, hiddenSize, intermediateSize);
    norm(`${layer}.output`);
  }
  return shapes;
}

/**
 * The row of the position embeddings for each relative position from -(length - 1) to length - 1.
 * transformers computes the logarithms in float32, and their rounding decides where a bucket ends.
 */
function positionRows(config: DebertaConfig, length: number): number[] {
  const { positionBuckets, maxRelativePositions } = config;
  const f32 = Math.fround;
  const middle = positionBuckets >> 1;
  const scale = f32(Math.log(f32((maxRelativePositions - 1) / middle)));
  const bucket = (distance: number) => {
    const far = Math.abs(distance);
    if (positionBuckets === 0 || far <= middle) return distance;
    const share = f32(f32(Math.log(f32(far / middle))) / scale);
    return Math.sign(distance) * (Math.ceil(f32(share * (middle - 1))) + middle);
  };
  const span = spanOf(config);
  return Array.from({ length: 2 * length - 1 }, (_, i) =>
    Math.min(Math.max(bucket(i - (length - 1)) + span, 0), 2 * span - 1),
  );
}

/**
 * Appends the encoder for G sequences of S tokens.
 * @param weight a tensor of the encoder by its name
 * @param ids token ids, int64 [G, S]; padding is at the end
 * @param lengths the number of tokens of each sequence without padding, int64 [G, 1]
 * @param maxLength the largest S
 * @returns the last hidden states, [G*S, hiddenSize]
 */
export function deberta(
  g: Graph,
  config: DebertaConfig,
  weight: (name: string) => Tensor,
  ids: Tensor,
  lengths: Tensor,
  maxLength: number,
): Tensor {
  const { hiddenSize, heads, normEpsilon } = config;
  const [G, S] = ids.shape;
  const tokens = product([G, S]);
  const headDim = hiddenSize / heads;
  const positions = 2 * spanOf(config);
  // Scores are the sum of three products.
  const scale = 1 / Math.sqrt(3 * headDim);

  const linear = (x: Tensor, name: string) =>
    ops.gemm(g, x, weight(`${name}.weight`), { transB: true, c: weight(`${name}.bias`) });
  const norm = (x: Tensor, name: string) =>
    ops.layerNorm(g, x, weight(`${name}.LayerNorm.weight`), weight(`${name}.LayerNorm.bias`), normEpsilon);

  const index = ops.range(g, S);
  const [rows, columns] = [ops.reshape(g, index, [S, 1]), ops.reshape(g, index, [1, S])];
  const visible = ops.less(g, columns, lengths);
  const mask = ops.reshape(g, ops.where(g, visible, g.scalar(0), g.scalar(HIDDEN)), [G, 1, 1, S]);

  // For query q and key k: the row of their relative position's embedding, and the index of the query's (or key's) product with it
  // among the products of all queries (or keys) with all embeddings, flattened.
  const table = g.ints(positionRows(config, maxLength));
  const distance = ops.add(g, ops.sub(g, rows, columns), g.ints([maxLength - 1], []));
  const row = ops.gather(g, table, distance);
  const width = g.ints([positions], []);
  const byQuery = ops.add(g, ops.mul(g, rows, width), row);
  const byKey = ops.add(g, ops.mul(g, columns, width), row);

  const positionEmbeddings = norm(weight('encoder.rel_embeddings.weight'), 'encoder');

  const splitHeads = (x: Tensor) => ops.transpose(g, ops.reshape(g, x, [G, S, heads, headDim]), [0, 2, 1, 3]);
  const splitPositions = (x: Tensor) => ops.transpose(g, ops.reshape(g, x, [positions, heads, headDim]), [1, 0, 2]);
  /** Products of contents [G, heads, S, headDim] with positions, picked for each query and key: [G, heads, S, S]. */
  const relative = (contents: Tensor, embedded: Tensor, indices: Tensor) => {
    const all = ops.matmul(g, contents, splitPositions(embedded), { transB: true, alpha: scale });
    const flat = ops.reshape(g, all, [product([G, heads]), product([S, positions])]);
    return ops.reshape(g, ops.gatherFromRows(g, flat, indices), [G, heads, S, S]);
  };

  const attention = (x: Tensor, prefix: string) => {
    const [query, key, value] = ['query', 'key', 'value'].map((part) =>
      splitHeads(linear(x, `${prefix}.${part}_proj`)),
    );
    const contentToContent = ops.matmul(g, query, key, { transB: true, alpha: scale });
    const contentToPosition = relative(query, linear(positionEmbeddings, `${prefix}.key_proj`), byQuery);
    const positionToContent = relative(key, linear(positionEmbeddings, `${prefix}.query_proj`), byKey);
    const scores = ops.add(g, contentToContent, ops.add(g, contentToPosition, positionToContent));
    const attended = ops.matmul(g, ops.softmax(g, ops.add(g, scores, mask)), value);
    return ops.reshape(g, ops.transpose(g, attended, [0, 2, 1, 3]), [tokens, hiddenSize]);
  };

  const embedded = ops.gather(g, weight('embeddings.word_embeddings.weight'), ids);
  let x = norm(ops.reshape(g, embedded, [tokens, hiddenSize]), 'embeddings');
  for (let i = 0; i < config.layers; i++) {
    const layer = `encoder.layer.${i}`;
    const attended = linear(attention(x, `${layer}.attention.self`), `${layer}.attention.output.dense`);
    x = norm(ops.add(g, x, attended), `${layer}.attention.output`);
    const inner = ops.gelu(g, linear(x, `${layer}.intermediate.dense`));
    x = norm(ops.add(g, x, linear(inner, `${layer}.output.dense`)), `${layer}.output`);
  }
  return x;
}
