/** The graph that scores and trains share: packed sequences in, summed log-probabilities of the responses out. */
import type { Graph, Tensor } from './graph/tensor.ts';
import { packedAttention } from './model/attention.ts';
import type { ModelConfig } from '../model-files/config.ts';
import { sumBySequence, tokenLogps } from './model/logprob.ts';
import type { Parameters } from './model/parameters.ts';
import { packedInputs } from './packing.ts';
import { headWeight, transformer } from './model/transformer.ts';

/**
 * Adds the inputs of packGroups() and `sequences` float32 [N], and returns the log-probability of each sequence, [N].
 * @param backward where gradient() will go through it: whether activations are computed again then
 */
export function sequenceLogps(
  g: Graph,
  config: ModelConfig,
  parameters: Parameters,
  sequences: Tensor,
  backward?: { recompute: boolean },
): Tensor {
  const { ids, positions, blocks } = packedInputs(g);
  const [rows, targets, owners] = ['rows', 'targets', 'owners'].map((name) => g.input(name, 'int64', ['K', 'C']));
  const attend = packedAttention(config, blocks);
  const hidden = transformer(g, config, parameters, ids, positions, attend, backward?.recompute);
  const logps = tokenLogps(g, hidden, headWeight(config, parameters), rows, targets, backward !== undefined);
  return sumBySequence(g, logps, owners, sequences);
}
