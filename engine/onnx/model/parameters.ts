/** A model's weights in a graph. */
import { relative } from 'node:path';
import type { ElementType } from '../format/format.ts';
import * as ops from '../graph/ops.ts';
import type { Graph, Tensor } from '../graph/tensor.ts';
import type { TensorFiles } from '../../model-files/model.ts';
import type { TensorEntry } from '../../model-files/safetensors.ts';
import { eachOnce } from './each-once.ts';
import type { QuantizedWeight } from './quantize.ts';
import { sharedFloat32 } from './shared-weights.ts';

const elementTypeOf: Record<string, ElementType> = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' };

/** The parameters of a transformer in a graph. */
export interface Parameters {
  /** A tensor of the model by its name in the folder, as float32. */
  weight(name: string): Tensor;
  /** A matrix in 8 bits by its name; present if linear layers are computed in 8 bits. */
  quantized?(name: string): QuantizedWeight;
  /** The LoRA update scale B A of a linear layer (`a` [rank, in], `b` [out, rank]), if it has one. */
  lora?(layer: string): { a: Tensor; b: Tensor; scale: number } | undefined;
}

/**
 * The model's weights without copies: float32 weights stay in their file. Those in half precision, for which the CPU has no kernels,
 * have one float32 copy in memory that all graphs of the process share.
 * @returns the weight of each name
 */
export function frozenWeights(g: Graph, model: TensorFiles): (name: string) => Tensor {
  return eachOnce(model, (entry) =>
    entry.dtype === 'F32'
      ? storedWeight(g, entry, model.dataFolder)
      : g.held(entry.name, entry.shape, sharedFloat32(entry)),
  );
}

/**
 * The model's weights for a session that prepacks them: all are constants. Those in half precision are converted when the
 * session opens, and the packed weights replace the converted ones.
 */
export function packedWeights(g: Graph, model: TensorFiles): (name: string) => Tensor {
  return eachOnce(model, (entry) => ops.cast(g, storedWeight(g, entry, model.dataFolder), 'float32'));
}

/** A constant whose bytes stay in their file. */
function storedWeight(g: Graph, entry: TensorEntry, folder: string): Tensor {
  const { name, dtype, shape, file, offset, length } = entry;
  return g.external(name, elementTypeOf[dtype], shape, { location: relative(folder, file), offset, length });
}
