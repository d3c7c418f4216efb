/**
 * Rotations that spread large numbers evenly: multiplication of each block of a row with a Hadamard matrix H (Sylvester's
 * construction, scaled to be orthogonal). H is symmetric and its own inverse, and the product needs only additions and one factor.
 */
import * as ops from '../graph/ops.ts';
import { product, type Dim } from '../graph/shape.ts';
import type { Graph, Tensor } from '../graph/tensor.ts';

/** Most numbers that are rotated together. */
const LARGEST_BLOCK = 64;

/** The size of a block: the largest power of two up to 64 that divides the columns. */
function blockOf(columns: number): number {
  let block = LARGEST_BLOCK;
  while (columns % block !== 0) block /= 2;
  return block;
}

/** Rotates a row in place, by the fast Walsh-Hadamard transform of each block. */
export function rotate(x: Float32Array): void {
  const block = blockOf(x.length);
  for (let half = 1; half < block; half *= 2) {
    for (let pair = 0; pair < x.length; pair += 2 * half) {
      for (let i = pair; i < pair + half; i++) {
        const a = x[i];
        const b = x[i + half];
        x[i] = a + b;
        x[i + half] = a - b;
      }
    }
  }
  const norm = 1 / Math.sqrt(block);
  for (let i = 0; i < x.length; i++) x[i] *= norm;
}

/** H, [n, n]: row i is the i-th unit vector, rotated. */
function hadamard(n: number): Float32Array {
  const matrix = new Float32Array(n * n);
  for (let i = 0; i < n; i++) {
    matrix[i * n + i] = 1;
    rotate(matrix.subarray(i * n, (i + 1) * n));
  }
  return matrix;
}

/** The rows of `x`, rotated as by rotate(). @param x float32 [N, columns] */
export function rotatedRows(g: Graph, x: Tensor): Tensor {
  const [N, columns] = x.shape as [Dim, number];
  const block = blockOf(columns);
  const blocks = ops.reshape(g, x, [product([N, columns / block]), block]);
  return ops.reshape(g, ops.matmul(g, blocks, g.constant('float32', [block, block], hadamard(block))), [N, columns]);
}
