/**
 * Products in 8 bits, used for decoding: each token reads a quarter of the bytes, and one instruction computes four times as many
 * products.
 *
 * A row of activations and a row of weights are rounded to 8 bits with one scale each, so that their product is one of integers. A
 * few activations of a row are far larger than the others, and with them in the scale the others would lose most of their bits. So
 * both sides are first rotated by the same matrix H (QuaRot, arXiv 2404.00456): (x H)(W H)^T = x W^T, and each number of x H is a
 * combination of a whole block of x.
 */
import { readFileSync } from 'node:fs';
import { InputError } from '../../../data/errors.ts';
import * as ops from '../graph/ops.ts';
import type { Graph, Tensor } from '../graph/tensor.ts';
import { rotate, rotatedRows } from './rotation.ts';
import { readTensorF32 } from '../../model-files/safetensors.ts';
import type { LlamaFolder } from '../../model-files/model.ts';
import { eachOnce } from './each-once.ts';

/** The unsigned integer that stands for 0. */
const ZERO_POINT = 128;
/** Integers are rounded to -127 ... 127 around it. */
const LARGEST = 127;
/** The smallest normal number of float32. */
const SMALLEST_NORMAL = 2 ** -126;

/** A rotated matrix W H in 8 bits: (W H)[row, column] = values[column, row] * scales[row]. */
export interface QuantizedMatrix {
  /** [columns, rows] */
  values: Int8Array;
  /** [rows] */
  scales: Float32Array;
  rows: number;
  columns: number;
}

/**
 * W H rounded to the nearest integers times the scale of their row, max |w| / 127.
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

/** [rows, columns] as [columns, rows], in square pieces that fit into the CPU's cache. */
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
 * Whether this CPU's products of unsigned with signed bytes are exact. On x86 without VNNI, ONNX Runtime's kernel adds two of them
 * in 16 bits, which can overflow. Its kernel for two unsigned factors is exact there, and takes 1.5 times as long.
 */
export function signedProductsAreExact(): boolean {
  if (process.arch !== 'x64') return true;
  try {
    return /\bavx(512)?_vnni\b/.test(readFileSync('/proc/cpuinfo', 'utf8'));
  } catch {
    return false;
  }
}

/** A quantized matrix as constants of a graph. @param signed whether as int8 or as uint8; the products are the same */
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

/** Most bytes of all quantized matrices. They are stored in the ONNX file, which has at most 2 GiB, together with the graph. */
const MOST_BYTES = 1.9e9;

/**
 * The model's matrices in 8 bits by name, each quantized when it is first used.
 * @throws InputError when together they are larger than a graph can hold
 */
export function quantizedWeights(g: Graph, model: LlamaFolder): (name: string) => QuantizedWeight {
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

/** Rotated activations in 8 bits: x H = (values - zeroPoint) * scales. */
export interface QuantizedRows {
  /** [N, columns] */
  integers: ops.Integers;
  /** [N, 1] */
  scales: Tensor;
}

/** Rotates and rounds activations. @param x float32 [N, columns] */
export function quantizedRows(g: Graph, x: Tensor): QuantizedRows {
  const [N] = x.shape;
  const rotated = rotatedRows(g, x);
  const largest = ops.reduceMax(g, ops.abs(g, rotated), -1);
  // A row of zeros must not have the scale 0.
  const scales = ops.max(g, ops.mul(g, largest, g.scalar(1 / LARGEST)), g.scalar(SMALLEST_NORMAL));
  const values = ops.quantizeRows(g, rotated, ops.reshape(g, scales, [N]), ZERO_POINT);
  return { integers: { values, zeroPoint: ZERO_POINT }, scales };
}

/** x W^T, float32 [N, rows]. */
export function quantizedProduct(g: Graph, x: QuantizedRows, weight: QuantizedWeight): Tensor {
  const sums = ops.cast(g, ops.matmulInteger(g, x.integers, weight.integers), 'float32');
  return ops.mul(g, sums, ops.mul(g, x.scales, weight.scales));
}
