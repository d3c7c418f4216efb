/** Whether a training has changed a policy. A change that float32 cannot resolve beside the weights is none. */
import type { Adapter, LoraMatrices } from '../../model-files/lora.ts';
import type { TensorFiles } from '../../model-files/model.ts';
import { readTensorF32 } from '../../model-files/safetensors.ts';
import type { Feeds } from '../session.ts';

/** Half of the distance between 1 and the next float32: adding a smaller share to a number does not change it. */
const RESOLUTION = 2 ** -24;

/** Negated, so that NaN counts as a change. */
const isChange = (squaredChange: number, squaredNorm: number) => !(squaredChange <= RESOLUTION ** 2 * squaredNorm);

/** Whether `after` gives any layer of the model other weights than `before`. Both adapters have matrices for the same layers. */
export function isAdapterChanged({ tensors }: Pick<TensorFiles, 'tensors'>, before: Adapter, after: Adapter): boolean {
  return [...after.matrices].some(([layer, matrices]) => {
    const change = squaredUpdate(before.matrices.get(layer)!, matrices);
    return change !== 0 && isChange(change, squaredNorm(readTensorF32(tensors.get(`${layer}.weight`)!)));
  });
}

/** Whether any of the weights `after`, by name, differs from that in the model's files. */
export function isModelChanged({ tensors }: Pick<TensorFiles, 'tensors'>, after: Feeds): boolean {
  return Object.entries(after).some(([name, { data }]) => {
    const before = readTensorF32(tensors.get(name)!);
    const norm = squaredNorm(before);
    for (let i = 0; i < before.length; i++) before[i] -= (data as Float32Array)[i];
    return isChange(squaredNorm(before), norm);
  });
}

function squaredNorm(values: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] * values[i];
  return sum;
}

/**
 * ||scale (B' A' - B A)||^2 in the Frobenius norm, without a matrix of the size of the layer:
 * B' A' - B A = (B' - B) A' + B (A' - A) = X Y with X = [B' - B, B] and Y = [A'; A' - A], and ||X Y||^2 is the sum of the entries of
 * X^T X times those of Y Y^T.
 */
function squaredUpdate(before: LoraMatrices, after: LoraMatrices): number {
  const left = gram([...differences(columnsOf(after), columnsOf(before)), ...columnsOf(before)]);
  const right = gram([...rowsOf(after), ...differences(rowsOf(after), rowsOf(before))]);
  return after.scale ** 2 * left.reduce((sum, value, i) => sum + value * right[i], 0);
}

/** The rows of A. */
const rowsOf = ({ a, in: inputs, rank }: LoraMatrices) =>
  Array.from({ length: rank }, (_, r) => Float64Array.from(a.subarray(r * inputs, (r + 1) * inputs)));

/** The columns of B. */
const columnsOf = ({ b, out, rank }: LoraMatrices) =>
  Array.from({ length: rank }, (_, r) => Float64Array.from({ length: out }, (__, i) => b[i * rank + r]));

const differences = (x: Float64Array[], y: Float64Array[]) =>
  x.map((vector, r) => vector.map((value, i) => value - y[r][i]));

/** The inner products of every two vectors. */
const gram = (vectors: Float64Array[]): number[] => vectors.flatMap((x) => vectors.map((y) => product(x, y)));

function product(x: Float64Array, y: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i] * y[i];
  return sum;
}
