/** Prefill: keys and values of prompts, computed for all their tokens at once. */
import * as ops from '../graph/ops.ts';
import { Graph } from '../graph/tensor.ts';
import type { Adapter } from '../model/lora.ts';
import { segmentedAttention } from '../model/attention.ts';
import type { ModelFiles } from '../model/parameters.ts';
import { transformer } from '../model/transformer.ts';
import { policyParameters } from '../policy.ts';

export const keyName = (layer: number) => `key_${layer}`;
export const valueName = (layer: number) => `value_${layer}`;

/** Takes `ids`, `positions`, `segments` int64 [G, S]; gives `key_<layer>`, `value_<layer>` [G, kvHeads, S, headDim] of the target's cache type. */
export function prefillGraph(model: ModelFiles, adapter: Adapter | undefined): Graph {
  const g = new Graph();
  const [ids, positions, segments] = ['ids', 'positions', 'segments'].map((name) => g.input(name, 'int64', ['G', 'S']));
  const attend = segmentedAttention(g, model.config, segments);
  transformer(g, model.config, policyParameters(g, model, adapter), ids, positions, (_, layer, heads) => {
    g.output(keyName(layer), ops.cast(g, heads.key, model.target.cache));
    g.output(valueName(layer), ops.cast(g, heads.value, model.target.cache));
    return attend(g, layer, heads);
  });
  return g;
}
