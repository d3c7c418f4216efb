/** Weights in half precision as float32: converted once for all graphs that use them at the same time. */
import { statSync } from 'node:fs';
import { readTensorF32, type TensorEntry } from '../../model-files/safetensors.ts';

const copies = new Map<string, WeakRef<Float32Array>>();

/** A tensor's numbers as float32, not to be written to: the same array for every caller, as long as one of them keeps it. */
export function sharedFloat32(entry: TensorEntry): Float32Array {
  const key = `${entry.file} ${statSync(entry.file).mtimeMs} ${entry.offset}`;
  const known = copies.get(key)?.deref();
  if (known) return known;
  const copy = readTensorF32(entry);
  copies.set(key, new WeakRef(copy));
  return copy;
}
