/** Products of matrices in 8-bit integers. */
import { format } from '../shape.ts';
import type { Graph, Tensor } from '../tensor.ts';
import { check, one } from './emit.ts';
import { expand } from './layout.ts';

/** A matrix of 8-bit integers that stands for (values - zeroPoint), up to scales. */
export interface Integers {
  values: Tensor;
  zeroPoint: number;
}

/**
 * (a - a.zeroPoint) (b - b.zeroPoint).
 * @param a uint8 [N, k]
 * @param b int8 or uint8 [k, M]
 * @returns int32 [N, M]
 */
export function matmulInteger(g: Graph, a: Integers, b: Integers): Tensor {
  const [[N, k], [k2, M]] = [a.values.shape, b.values.shape];
  check(a.values.type === 'uint8', 'MatMulInteger', `takes uint8 on the left, not ${a.values.type}`);
  check(k === k2, 'MatMulInteger', `inner sizes of ${format([N, k])} and ${format([k2, M])} differ`);
  const zeroPoints = [a, b].map(({ values, zeroPoint }) => g.constant(values.type, [], Uint8Array.of(zeroPoint)));
  return one(g, 'MatMulInteger', [a.values, b.values, ...zeroPoints], [N, M], { type: 'int32' });
}

/**
 * round(x / scale) + zeroPoint with one scale per row, limited to 0 ... 255.
 * @param x float32 [N, k]
 * @param scales float32 [N]
 * @returns uint8 [N, k]
 */
export function quantizeRows(g: Graph, x: Tensor, scales: Tensor, zeroPoint: number): Tensor {
  const fits = scales.shape.length === 1 && scales.shape[0] === x.shape[0];
  check(fits, 'QuantizeLinear', `${format(scales.shape)} for ${format(x.shape)}`);
  const zeroPoints = expand(g, g.constant('uint8', [1], Uint8Array.of(zeroPoint)), scales.shape);
  return one(g, 'QuantizeLinear', [x, scales, zeroPoints], x.shape, { type: 'uint8', attributes: { axis: 0 } });
}
