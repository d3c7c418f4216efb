/** What can be trained of a policy: its adapter, or all of its weights. */
import * as ops from '../graph/ops.ts';
import type { Graph, Tensor } from '../graph/tensor.ts';
import { policyParameters, adapterFeeds, adapterParameters } from '../policy.ts';
import type { Adapter } from '../../model-files/lora.ts';
import { readTensorF32 } from '../../model-files/safetensors.ts';
import { float32 } from '../session.ts';
import type { Trainable } from './train.ts';
import { parameterShapes } from '../../model-files/shapes.ts';
import type { ModelFiles } from '../model/model-files.ts';

/** A LoRA adapter over frozen weights. Its matrices are updated in place. */
export function trainableAdapter(model: ModelFiles, adapter: Adapter): Trainable {
  return {
    parameters: adapterParameters(adapter),
    values: adapterFeeds(adapter),
    bind: (g, trained) => policyParameters(g, model, adapter, trained),
  };
}

/** Every weight of the model, as float32 copies in memory. */
export function trainableModel(model: ModelFiles): Trainable {
  const parameters = [...parameterShapes(model.config)].map(([name, shape]) => ({ name, shape }));
  const values = Object.fromEntries(
    parameters.map(({ name, shape }) => [name, float32(readTensorF32(model.tensors.get(name)!), shape)]),
  );
  const bind = (g: Graph, trained: Map<string, Tensor>) => {
    const weights = new Map([...trained].map(([name, weight]) => [name, ops.cast(g, weight, model.target.compute)]));
    return { weight: (name: string) => weights.get(name)! };
  };
  return { parameters, values, bind };
}
