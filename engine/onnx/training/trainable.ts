/** What can be trained of a policy: its adapter, or all of its weights. */
import type { Adapter } from '../../model-files/lora.ts';
import { readTensorF32 } from '../../model-files/safetensors.ts';
import { parameterShapes } from '../../model-files/shapes.ts';
import type { Graph, Tensor } from '../graph/tensor.ts';
import type { LlamaFolder } from '../../model-files/model.ts';
import type { Parameters } from '../model/parameters.ts';
import { adapterFeeds, adapterParameters, policyParameters } from '../policy.ts';
import { float32, type Feeds } from '../session.ts';
import type { Parameter } from './adamw.ts';

/** The parameters that training updates, their values, and how a graph computes the policy with them. */
export interface Trainable {
  parameters: Parameter[];
  /** By name, float32. Training updates them in place. */
  values: Feeds;
  /** The whole policy's parameters in a graph. @param trained the trained ones as inputs of the graph, by name */
  bind(g: Graph, trained: Map<string, Tensor>): Parameters;
}

/** The matrices of a LoRA adapter; the model's weights are frozen. `adapter` is updated in place. */
export function trainableAdapter(model: LlamaFolder, adapter: Adapter): Trainable {
  return {
    parameters: adapterParameters(adapter),
    values: adapterFeeds(adapter),
    bind: (g, trained) => policyParameters(g, model, adapter, trained),
  };
}

/** Every weight of the model, as float32 copies in memory. */
export function trainableModel(model: LlamaFolder): Trainable {
  const parameters = [...parameterShapes(model.config)].map(([name, shape]) => ({ name, shape }));
  const values = Object.fromEntries(
    parameters.map(({ name, shape }) => [name, float32(readTensorF32(model.tensors.get(name)!), shape)]),
  );
  return { parameters, values, bind: bindWeights };
}

const bindWeights = (_g: Graph, trained: Map<string, Tensor>): Parameters => ({ weight: (name) => trained.get(name)! });
