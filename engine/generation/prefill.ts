/** Prefill: keys and values of prompts, computed for all their tokens at once. */
import * as ops from '../graph/ops.ts';
import { Graph } from '../graph/tensor.ts';
import type { Adapter } from '../model/lora.ts';
import { packedAttention } from '../model/attention.ts';
import type { ModelFiles } from '../model/parameters.ts';
import { transformer } from '../model/transformer.ts';
import { packedInputs } from '../packing.ts';
import { policyParameters } from '../policy.ts';

export const keyName = (layer: number) => `key_${layer}`;
export const valueName = (layer: number) => `value_${layer}`;

/** Takes packedInputs(); gives `key_<layer>`, `value_<layer>` [1, kvHeads, S, headDim] of the target's cache type. */
export function prefillGraph(model: ModelFiles, adapter: Adapter | undefined): Graph {
  const g = new Graph();
  const { ids, positions, blocks } = packedInputs(g);
  const attend = packedAttention(model.config, blocks);
  transformer(g, model.config, policyParameters(g, model, adapter), ids, positions, (_, layer, heads) => {
    g.output(keyName(layer), ops.cast(g, heads.key, model.target.cache));
    g.output(valueName(layer), ops.cast(g, heads.value, model.target.cache));
    return attend(g, layer, heads);
  });
  return g;
}
