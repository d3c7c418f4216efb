/** Prefill: the keys and values of prompts, for all tokens at once; what all prompts begin with is computed once. */
import { Graph } from '../graph/tensor.ts';
import type { Adapter } from '../../model-files/lora.ts';
import { packedAttention } from '../model/attention.ts';
import { transformer } from '../model/transformer.ts';
import { packedInputs, packTokens, planBatches } from '../packing.ts';
import { policyParameters } from '../policy.ts';
import type { Feeds } from '../session.ts';
import type { CacheBlock } from './cache.ts';
import type { LlamaFolder } from '../../model-files/model.ts';

/** The output for a layer's keys, of prefill and of decoding. */
export const keyName = (layer: number) => `key_${layer}`;
/** The output for a layer's values, of prefill and of decoding. */
export const valueName = (layer: number) => `value_${layer}`;

/** Inputs: packedInputs(). Outputs: `key_<layer>` and `value_<layer>` float32 [1, kvHeads, S, headDim]. */
export function prefillGraph(model: LlamaFolder, adapter: Adapter | undefined): Graph {
  const g = new Graph();
  const { ids, positions, blocks } = packedInputs(g);
  const attend = packedAttention(model.config, blocks);
  transformer(g, model.config, policyParameters(g, model, adapter), ids, positions, (_, layer, heads) => {
    g.output(keyName(layer), heads.key);
    g.output(valueName(layer), heads.value);
    return attend(g, layer, heads);
  });
  return g;
}

/** Most prompt tokens in one run, besides those that all prompts begin with: bounds memory. */
const PREFILL_TOKENS = 512;

/**
 * Computes the keys and values of `sequences`, all of which begin with `prefix`, and appends them to rows of a block.
 * @param run runs the prefill graph
 * @param rows which row of the block each sequence is for
 */
export async function fillRows(
  run: (feeds: Feeds) => Promise<Feeds>,
  sequences: number[][],
  prefix: number[],
  block: CacheBlock,
  rows: number[],
): Promise<void> {
  const rests = sequences.map((tokens) => tokens.slice(prefix.length));
  for (const batch of planBatches(
    rests.map((prompt) => ({ prompt, responses: [] })),
    PREFILL_TOKENS,
  )) {
    // Each rest sees the prefix and itself, like a response its prompt.
    const { feeds } = packTokens([{ prompt: prefix, responses: batch.map((i) => rests[i]) }]);
    const outputs = await run(feeds);
    const source = (name: string) => outputs[name.replace('prompt_', '')];
    const width = feeds['ids'].dims[1];
    let start = prefix.length;
    for (const i of batch) {
      block.append(rows[i], source, 0, width, prefix.length);
      block.append(rows[i], source, 0, width, rests[i].length, start);
      start += rests[i].length;
    }
  }
}
