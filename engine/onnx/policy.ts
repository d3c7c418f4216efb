/** A policy's weights in a graph. */
import type { Adapter } from '../model-files/lora.ts';
import { frozenWeights, type Parameters } from './model/parameters.ts';
import type { Graph, Tensor } from './graph/tensor.ts';
import { float32, type Feeds } from './session.ts';
import type { Parameter } from './training/adamw.ts';
import type { LlamaFolder } from '../model-files/model.ts';

/** Names and shapes of an adapter's matrices: `<layer>.lora_A` [rank, in] and `<layer>.lora_B` [out, rank]. */
export function adapterParameters(adapter: Adapter): Parameter[] {
  return [...adapter.matrices].flatMap(([layer, { in: inputs, out: outputs, rank }]) => [
    { name: `${layer}.lora_A`, shape: [rank, inputs] },
    { name: `${layer}.lora_B`, shape: [outputs, rank] },
  ]);
}

/** An adapter's matrices as values of a graph's inputs. @param prefix of the inputs' names, if the graph has two adapters */
export function adapterFeeds(adapter: Adapter | undefined, prefix = ''): Feeds {
  const feeds: Feeds = {};
  for (const [layer, { a, b, in: inputs, out: outputs, rank }] of adapter?.matrices ?? []) {
    feeds[`${prefix}${layer}.lora_A`] = float32(a, [rank, inputs]);
    feeds[`${prefix}${layer}.lora_B`] = float32(b, [outputs, rank]);
  }
  return feeds;
}

/**
 * The policy's weights in a graph: the model's as constants in their files, the adapter's matrices as inputs.
 * @param inputs the adapter's matrices, float32, by the names of adapterParameters()
 */
export function policyParameters(
  g: Graph,
  model: LlamaFolder,
  adapter: Adapter | undefined,
  inputs: Map<string, Tensor> = adapterInputs(g, adapter),
): Parameters {
  return {
    weight: frozenWeights(g, model),
    lora: (layer) => {
      const own = adapter?.matrices.get(layer);
      return own && { a: inputs.get(`${layer}.lora_A`)!, b: inputs.get(`${layer}.lora_B`)!, scale: own.scale };
    },
  };
}

/** Adds inputs for an adapter's matrices; adapterFeeds() has their values. */
export function adapterInputs(g: Graph, adapter: Adapter | undefined, prefix = ''): Map<string, Tensor> {
  const parameters = adapter ? adapterParameters(adapter) : [];
  return new Map(parameters.map(({ name, shape }) => [name, g.input(`${prefix}${name}`, 'float32', shape)]));
}
