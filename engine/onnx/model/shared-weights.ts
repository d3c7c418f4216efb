/** Float32 copies of weights in half precision, shared by all graphs that use them at the same time. */
import { statSync } from 'node:fs';
import { readTensorF32, type TensorEntry } from '../../model-files/safetensors.ts';

const copies = new Map<string, WeakRef<Float32Array>>();

/**
 * A tensor's numbers as float32. Every caller gets the same array, as long as one of them holds it: do not write to it. A file that
 * has changed is read again.
 */
export function sharedFloat32(entry: TensorEntry): Float32Array {
  const key = `${entry.file} ${statSync(entry.file).mtimeMs} ${entry.offset}`;
  const known = copies.get(key)?.deref();
  if (known) return known;
  const copy = readTensorF32(entry);
  copies.set(key, new WeakRef(copy));
  return copy;
}
