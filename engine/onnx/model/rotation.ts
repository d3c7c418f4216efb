/**
 * Rotations that spread large numbers over others: by the Hadamard matrix H of Sylvester's construction, symmetric and its own
 * inverse, over blocks of a row. Multiplying with it takes additions alone.
 */
import * as ops from '../graph/ops.ts';
import { product, type Dim } from '../graph/shape.ts';
import type { Graph, Tensor } from '../graph/tensor.ts';

/** Numbers that are rotated together, at most. */
const LARGEST_BLOCK = 64;

/** The largest power of two that divides the columns: such sizes H has. */
function blockOf(columns: number): number {
  let block = LARGEST_BLOCK;
  while (columns % block !== 0) block /= 2;
  return block;
}

/** Rotates a row in place. */
export function rotate(x: Float32Array): void {
  const block = blockOf(x.length);
  // Pairs within a block are closer than its size.
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

/** H, [n, n]: row i is what rotate() makes of the i-th unit vector. */
function hadamard(n: number): Float32Array {
  const matrix = new Float32Array(n * n);
  for (let i = 0; i < n; i++) {
    matrix[i * n + i] = 1;
    rotate(matrix.subarray(i * n, (i + 1) * n));
  }
  return matrix;
}

/** Rows as rotate() rotates them. @param x [N, columns] */
export function rotatedRows(g: Graph, x: Tensor): Tensor {
  const [N, columns] = x.shape as [Dim, number];
  const block = blockOf(columns);
  const blocks = ops.reshape(g, x, [product([N, columns / block]), block]);
  return ops.reshape(g, ops.matmul(g, blocks, g.constant('float32', [block, block], hadamard(block))), [N, columns]);
}
