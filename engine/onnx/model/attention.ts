/** Attention over prompts and their responses in one packed row: each response sees its prompt and itself, nothing else. */
import type { LlamaConfig } from '../../model-files/llama-config.ts';
import * as ops from '../graph/ops.ts';
import type { Graph, Tensor, Vjp } from '../graph/tensor.ts';
import { attentionBackward } from './attention-backward.ts';
import { attentionOf, blockCount, grouped, named, openBlock, type Attention } from './attention-block.ts';
import type { Attend } from './transformer.ts';

/**
 * Attention by blocks of queries: only one block's scores exist at a time, so memory grows with the length of a sequence and not
 * with its square, and only keys that some query of the block sees are read. The backward pass computes a block's weights again
 * rather than keep them (as FlashAttention does, arXiv 2205.14135).
 * @param blocks int64 [blocks, BLOCK.length], see BLOCK
 */
export function packedAttention(config: LlamaConfig, blocks: Tensor): Attend {
  return (g, _layer, heads) => {
    const attention = attentionOf(config, blocks, heads);
    const vjp: Vjp = (g, { outputs: [y] }, [dy]) =>
      attentionBackward(g, attention, y, dy!).map((cotangent) => () => cotangent);
    const inputs = [heads.query, heads.key, heads.value];
    return g.composite('Attention', inputs, () => [attentionForward(g, attention)], vjp)[0];
  };
}

/** @returns the attended values, [S, heads * headDim] */
function attentionForward(g: Graph, attention: Attention): Tensor {
  const { query, heads, headDim } = attention;
  const S = query.shape[2];
  const width = heads * headDim;
  const all = grouped(g, attention);
  const none = () => ops.zeros(g, [0, width]);
  const { state } = ops.loop(g, blockCount(g, attention), [none()], [['done', width]], 'blocks', (b, index, [done]) => {
    const { v, weights } = openBlock(b, attention, all, index);
    const attended = ops.matmul(b, weights, v);
    const rows = ops.reshape(b, ops.transpose(b, attended, [2, 0, 1, 3]), ['n', width]);
    return { state: [ops.concat(b, [done, rows], 0)], scan: [] };
  });
  return named(state[0], [S, width]);
}
