/** What graphs are built for: a device, and the numerical precision on it. */
import type { Device } from '../protocol/compute.ts';
import type { ElementType } from './format/format.ts';

export type FloatType = Extract<ElementType, 'float32' | 'float16' | 'bfloat16'>;

/**
 * Weights, activations and their gradients have the type `compute`. What sums many numbers or needs a large range is float32 on every
 * device: the sums of products (inside the kernels), norms, softmax, log-probabilities, the loss, and the optimizer's state.
 */
export interface Target {
  device: Device;
  compute: FloatType;
  /** Type of the key-value cache between runs, which Node holds. Node has no bfloat16; the rounding to float16 is small. */
  cache: 'float32' | 'float16';
}

export const CPU: Target = { device: 'cpu', compute: 'float32', cache: 'float32' };

/**
 * The target of a model on a device. On CUDA it computes in half precision: in bfloat16 if it is stored so, since its values may exceed
 * float16's range, else in float16.
 * @param stored the safetensors type of the model's weights
 */
export function targetOf(device: Device, stored: string): Target {
  if (device === 'cpu') return CPU;
  return { device, compute: stored === 'BF16' ? 'bfloat16' : 'float16', cache: 'float16' };
}
