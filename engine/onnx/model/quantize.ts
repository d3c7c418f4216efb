/**
 * Products in 8 bits, for decoding alone: a quarter of the bytes that every token has to read, and four times as many in one
 * instruction.
 *
 * A row of activations and a row of weights are rounded to 8 bits with one scale each, so that their product is one of integers. A
 * few numbers of a row of activations are far larger than the others, and would leave those no bits. So both are rotated by the
 * same matrix H first (QuaRot, arXiv 2404.00456): (x H)(W H)^T = x W^T, and each number of x H is made of a block of numbers of x.
 */
import { readFileSync } from 'node:fs';
import { InputError } from '../../../data/errors.ts';
import * as ops from '../graph/ops.ts';
import type { Graph, Tensor } from '../graph/tensor.ts';
import { rotate, rotatedRows } from './rotation.ts';
import { readTensorF32 } from '../../model-files/safetensors.ts';
import { eachOnce, type ModelFiles } from './model-files.ts';

/** What stands for 0 among rounded activations. */
const ZERO_POINT = 128;
const LARGEST = 127;
/** Of float32. */
const SMALLEST_NORMAL = 2 ** -126;

/** A rotated matrix [rows, columns] in 8 bits: w = values * scales[row]. */
export interface QuantizedMatrix {
  /** [columns, rows] */
  values: Int8Array;
  /** [rows] */
  scales: Float32Array;
  rows: number;
  columns: number;
}

/**
 * Round-to-nearest of W H, with s = max |w| / 127 over a row.
 * @param weights W, [rows, columns]
 */
export function quantize(weights: Float32Array, rows: number, columns: number): QuantizedMatrix {
  const values = new Int8Array(columns * rows);
  const scales = new Float32Array(rows);
  const rotated = new Float32Array(columns);
  for (let row = 0; row < rows; row++) {
    rotated.set(weights.subarray(row * columns, (row + 1) * columns));
    rotate(rotated);
    let largest = 0;
    for (let i = 0; i < columns; i++) largest = Math.max(largest, Math.abs(rotated[i]));
    if (largest === 0) continue;
    scales[row] = largest / LARGEST;
    const steps = LARGEST / largest;
    for (let i = 0; i < columns; i++) values[row * columns + i] = Math.round(rotated[i] * steps);
  }
  return { values: transposed(values, rows, columns), scales, rows, columns };
}

/** [rows, columns] as [columns, rows], by squares that a cache holds. */
function transposed(values: Int8Array, rows: number, columns: number): Int8Array {
  const SIDE = 64;
  const result = new Int8Array(values.length);
  for (let row = 0; row < rows; row += SIDE) {
    for (let column = 0; column < columns; column += SIDE) {
      const [lastRow, lastColumn] = [Math.min(row + SIDE, rows), Math.min(column + SIDE, columns)];
      for (let c = column; c < lastColumn; c++) {
        for (let r = row; r < lastRow; r++) result[c * rows + r] = values[r * columns + c];
      }
    }
  }
  return result;
}

/** A matrix in 8 bits as constants of a graph. */
export interface QuantizedWeight {
  /** [columns, rows] */
  integers: ops.Integers;
  /** [rows] */
  scales: Tensor;
}

/**
 * Whether products of bytes with signed ones are exact here. On an x86 without VNNI, ONNX Runtime's kernel for them adds two
 * products in 16 bits, which do not hold all sums; its kernel for two unsigned ones does not, and takes half as much time again.
 */
export function signedProductsAreExact(): boolean {
  if (process.arch !== 'x64') return true;
  try {
    return /\bavx(512)?_vnni\b/.test(readFileSync('/proc/cpuinfo', 'utf8'));
  } catch {
    return false;
  }
}

/** @param signed as which integers they are stored: products are the same */
export function quantizedConstant(g: Graph, matrix: QuantizedMatrix, signed: boolean): QuantizedWeight {
  const { values, rows, columns } = matrix;
  const shape = [columns, rows];
  return {
    integers: signed
      ? { values: g.constant('int8', shape, values), zeroPoint: 0 }
      : {
          values: g.constant(
            'uint8',
            shape,
            Uint8Array.from(values, (value) => value + ZERO_POINT),
          ),
          zeroPoint: ZERO_POINT,
        },
    scales: g.constant('float32', [rows], matrix.scales),
  };
}

/** Bytes that fit into an ONNX file, with something left for the graph: they have no file of their own to stay in. */
const MOST_BYTES = 1.9e9;

/**
 * The model's matrices in 8 bits, each made when it is first asked for.
 * @throws InputError when they are more than a graph can hold
 */
export function quantizedWeights(g: Graph, model: ModelFiles): (name: string) => QuantizedWeight {
  const signed = signedProductsAreExact();
  let total = 0;
  return eachOnce(model, (entry) => {
    const [rows, columns] = entry.shape;
    total += rows * columns;
    if (total > MOST_BYTES) {
      throw new InputError(
        `${model.folder} is too large for weights: q8, which takes models of up to ${MOST_BYTES / 1e9} GB in 8 bits; leave weights at f32.`,
      );
    }
    return quantizedConstant(g, quantize(readTensorF32(entry), rows, columns), signed);
  });
}

/** Rotated activations in 8 bits: x H = (integers - zeroPoint) * scales. */
export interface QuantizedRows {
  /** [N, columns] */
  integers: ops.Integers;
  /** [N, 1] */
  scales: Tensor;
}

/** @param x [N, columns] */
export function quantizedRows(g: Graph, x: Tensor): QuantizedRows {
  const [N] = x.shape;
  const rotated = rotatedRows(g, x);
  const largest = ops.reduceMax(g, ops.abs(g, rotated), -1);
  // A row of zeros has a scale, too.
  const scales = ops.max(g, ops.mul(g, largest, g.scalar(1 / LARGEST)), g.scalar(SMALLEST_NORMAL));
  const values = ops.quantizeRows(g, rotated, ops.reshape(g, scales, [N]), ZERO_POINT);
  return { integers: { values, zeroPoint: ZERO_POINT }, scales };
}

/**
 * x W^T.
 * @returns [N, rows]
 */
export function quantizedProduct(g: Graph, x: QuantizedRows, weight: QuantizedWeight): Tensor {
  const sums = ops.cast(g, ops.matmulInteger(g, x.integers, weight.integers), 'float32');
  return ops.mul(g, sums, ops.mul(g, x.scales, weight.scales));
}
