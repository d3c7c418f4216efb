/** What graphs are built for: the device they run on, and the numbers they compute in. */
import type { Device } from '../protocol/settings.ts';
import type { ElementType } from './format/format.ts';

export type FloatType = Extract<ElementType, 'float32' | 'float16' | 'bfloat16'>;

/**
 * Weights, activations and their gradients are numbers of the type `compute`. What adds up many of them, or spans their range, is
 * float32 on every device: products' sums (inside of their kernels), norms, softmax, log-probabilities, the loss, what an
 * optimizer keeps.
 */
export interface Target {
  device: Device;
  compute: FloatType;
  /** Of keys and values between runs, which Node holds: it knows no bfloat16, and what float16 rounds of those is small. */
  cache: 'float32' | 'float16';
}

export const CPU: Target = { device: 'cpu', compute: 'float32', cache: 'float32' };

/**
 * On CUDA a model computes in half precision: in bfloat16 where it is stored so, since what was trained in that type's range may
 * not fit float16's, else in float16.
 * @param stored the safetensors type of the model's weights
 */
export function targetOf(device: Device, stored: string): Target {
  if (device === 'cpu') return CPU;
  return { device, compute: stored === 'BF16' ? 'bfloat16' : 'float16', cache: 'float16' };
}
