/** Weights in 8 bits, for decoding alone: a quarter of the bytes that every token has to read. */
import { InputError } from '../../data/errors.ts';
import * as ops from '../graph/ops.ts';
import type { Graph, Tensor } from '../graph/tensor.ts';
import type { ModelFiles } from './parameters.ts';
import { readTensorF32 } from './safetensors.ts';

/** Weights that share a scale, along a row. */
const BLOCK = 32;
/** Stands for 0. */
const ZERO = 128;
const LARGEST = 127;

/** A matrix [rows, columns] in blocks: a byte for each weight, a scale for each block. The last block of a row is filled up. */
export interface QuantizedMatrix {
  /** [rows, blocks, BLOCK] */
  bytes: Uint8Array;
  /** [rows * blocks] */
  scales: Float32Array;
  rows: number;
  columns: number;
}

/**
 * Symmetric round-to-nearest in blocks: w is stored as round(w / s) + 128 with s = max |w| / 127 over its block.
 * @param weights [rows, columns]
 */
export function quantize(weights: Float32Array, rows: number, columns: number): QuantizedMatrix {
  const blocks = Math.ceil(columns / BLOCK);
  const bytes = new Uint8Array(rows * blocks * BLOCK).fill(ZERO);
  const scales = new Float32Array(rows * blocks);
  for (let row = 0; row < rows; row++) {
    for (let block = 0; block < blocks; block++) {
      const from = row * columns + block * BLOCK;
      const count = Math.min(BLOCK, columns - block * BLOCK);
      let largest = 0;
      for (let i = from; i < from + count; i++) largest = Math.max(largest, Math.abs(weights[i]));
      if (largest === 0) continue;
      const at = row * blocks + block;
      scales[at] = largest / LARGEST;
      for (let i = 0; i < count; i++) bytes[at * BLOCK + i] = Math.round(weights[from + i] / scales[at]) + ZERO;
    }
  }
  return { bytes, scales, rows, columns };
}

/** A matrix in 8 bits as constants of a graph. */
export interface QuantizedWeight extends Pick<QuantizedMatrix, 'rows' | 'columns'> {
  bytes: Tensor;
  scales: Tensor;
}

/** Bytes that fit into an ONNX file, with something left for the graph: they have no file of their own to stay in. */
const MOST_BYTES = 1.9e9;

/**
 * The model's matrices in 8 bits, each made when it is first asked for.
 * @throws InputError when they are more than a graph can hold
 */
export function quantizedWeights(g: Graph, model: ModelFiles): (name: string) => QuantizedWeight {
  const known = new Map<string, QuantizedWeight>();
  let total = 0;
  return (name) => {
    const existing = known.get(name);
    if (existing) return existing;
    const entry = model.tensors.get(name)!;
    const [rows, columns] = entry.shape;
    const { bytes, scales } = quantize(readTensorF32(entry), rows, columns);
    total += bytes.byteLength + scales.byteLength;
    if (total > MOST_BYTES) {
      throw new InputError(`${model.folder} is too large for weights: q8, which takes models of up to ${MOST_BYTES / 1e9} GB in 8 bits; leave weights at f32.`); // prettier-ignore
    }
    const shape = [rows, Math.ceil(columns / BLOCK), BLOCK];
    const weight = {
      bytes: g.constant('uint8', shape, bytes),
      scales: g.constant('float32', [scales.length], scales),
      rows,
      columns,
    };
    known.set(name, weight);
    return weight;
  };
}

/**
 * x W^T with W in 8 bits; x is rounded to 8 bits, too, a scale for each of its blocks.
 * @param x [N, columns]
 * @returns [N, rows]
 */
export function quantizedProduct(g: Graph, x: Tensor, { bytes, scales, rows, columns }: QuantizedWeight): Tensor {
  return ops.matmulNBits(g, x, bytes, scales, { rows, columns, block: BLOCK });
}
