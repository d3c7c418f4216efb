/** A model's weights as constants and inputs of a graph. */
import { relative } from 'node:path';
import type { ElementType } from '../format/format.ts';
import * as ops from '../graph/ops.ts';
import type { Graph, Tensor } from '../graph/tensor.ts';
import type { TensorFiles } from '../../model-files/model.ts';
import type { TensorEntry } from '../../model-files/safetensors.ts';
import { eachOnce } from './model-files.ts';
import type { QuantizedWeight } from './quantize.ts';
import { sharedFloat32 } from './shared-weights.ts';
import type { FloatType } from '../target.ts';

const elementTypeOf: Record<string, ElementType> = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' };

/** How a transformer's graph gets at its numbers. */
export interface Parameters {
  /** A tensor of the model by its name in the folder. All are of one type, which the transformer computes in. */
  weight(name: string): Tensor;
  /** A matrix in 8 bits, where products are computed with those. */
  quantized?(name: string): QuantizedWeight;
  /** The low-rank update of a linear layer, where it has one. */
  lora?(layer: string): { a: Tensor; b: Tensor; scale: number } | undefined;
}

/**
 * The model's weights where they are: float32 stays in its file; of half precision, which the CPU's kernels do not take, there is
 * one float32 copy in memory for all graphs of the process.
 * @param type what they are computed with as; what is stored otherwise is converted as the session opens
 */
export function frozenWeights(g: Graph, model: TensorFiles, type: FloatType = 'float32'): (name: string) => Tensor {
  return eachOnce(model, (entry) =>
    type === 'float32' && entry.dtype !== 'F32'
      ? g.held(entry.name, entry.shape, sharedFloat32(entry))
      : ops.cast(g, storedWeight(g, entry, model.dataFolder), type),
  );
}

/**
 * The model's weights for a session that prepacks them: constants all of them. Those of another type are converted as the session
 * opens, and the packed weights take the place of what they were converted to.
 */
export function packedWeights(g: Graph, model: TensorFiles, type: FloatType): (name: string) => Tensor {
  return eachOnce(model, (entry) => ops.cast(g, storedWeight(g, entry, model.dataFolder), type));
}

/** A constant whose bytes stay in their file. */
function storedWeight(g: Graph, entry: TensorEntry, folder: string): Tensor {
  const { name, dtype, shape, file, offset, length } = entry;
  return g.external(name, elementTypeOf[dtype], shape, { location: relative(folder, file), offset, length });
}
