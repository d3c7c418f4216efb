/** The part that graphs for scoring and for training share: from packed sequences to the responses' log-probabilities. */
import type { Graph, Tensor } from './graph/tensor.ts';
import { packedAttention } from './model/attention.ts';
import type { LlamaConfig } from '../model-files/llama-config.ts';
import { sumBySequence, tokenLogps } from './model/logprob.ts';
import type { Parameters } from './model/parameters.ts';
import { packedInputs } from './packing.ts';
import { headWeight, transformer } from './model/transformer.ts';

/**
 * Adds the inputs of packGroups().
 * @param sequences float32 [N], whose values are not used: it has the number of responses
 * @param backward set if the graph gets a backward pass: whether that computes the layers' activations again
 * @returns the log-probability of each response (nats), [N], and the tokens' final hidden states, [S, hiddenSize]
 */
export function sequenceLogps(
  g: Graph,
  config: LlamaConfig,
  parameters: Parameters,
  sequences: Tensor,
  backward?: { recompute: boolean },
): { logps: Tensor; hidden: Tensor } {
  const { ids, positions, blocks } = packedInputs(g);
  const [rows, targets, owners] = ['rows', 'targets', 'owners'].map((name) => g.input(name, 'int64', ['K', 'C']));
  const attend = packedAttention(config, blocks);
  const hidden = transformer(g, config, parameters, ids, positions, attend, backward?.recompute);
  const logps = tokenLogps(g, hidden, headWeight(config, parameters), rows, targets, backward !== undefined);
  return { logps: sumBySequence(g, logps, owners, sequences), hidden };
}
