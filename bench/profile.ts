/** Classifies the operators in ONNX Runtime's profile of an optimize step. */
import { elementCount as size } from '../engine/model-files/element-count.ts';
import type { Work } from './work.ts';

/** For each part of a step: its seconds, and the floating-point operations of its products, including recomputed ones. */
export type Profile = Record<string, { seconds: number; flops: number }>;

/** Seconds of all parts. */
export const totalSeconds = (profile: Profile) => Object.values(profile).reduce((sum, { seconds }) => sum + seconds, 0);

/** An operator's part of a step. */
export interface Part {
  part: string;
  flops: number;
}

/** An event in the JSON file of ONNX Runtime's profiler. */
export interface OperatorEvent {
  name: string;
  cat: string;
  /** Microseconds. */
  ts: number;
  dur: number;
  args: OperatorArguments;
}

export interface OperatorArguments {
  op_name: string;
  /** One object per tensor: the key is its type, the value its shape. */
  input_type_shape: Record<string, number[]>[];
  output_type_shape: Record<string, number[]>[];
}

const COPIES = new Set([
  'Concat',
  'Slice',
  'Split',
  'Transpose',
  'Reshape',
  'Gather',
  'GatherElements',
  'ScatterElements',
  'Identity',
  'ConstantOfShape',
  'Squeeze',
  'Unsqueeze',
]);
const RANK_MULTIPLES = [1, 2, 3];
/** The shapes of tensors. */
export const shapes = (tensors: Record<string, number[]>[]) => tensors.map((tensor) => Object.values(tensor)[0]);
/** Creates a part. */
export const part = (part: string, flops = 0): Part => ({ part, flops });

/** Floating-point operations of a matrix product, or of a batch of them. */
export function productFlops([a, b]: number[][], output: number[]): number {
  // The key cache is empty.
  if (size(a) * size(b) * size(output) === 0) return 0;
  const batch = size(output.slice(0, -2));
  // [m, k] x [k, n] = [m, n]. The formula does not depend on transposition: k^2 = m k * k n / (m n).
  const inner = Math.sqrt(((size(a) / size(a.slice(0, -2))) * size(b)) / size(b.slice(0, -2)) / (size(output) / batch));
  return 2 * size(output) * inner;
}

/** The part of an optimize step that an operator belongs to. */
export function partOf(operator: OperatorArguments, { rank, vocabSize }: Pick<Work, 'rank' | 'vocabSize'>): Part {
  const [inputs, [output]] = [shapes(operator.input_type_shape), shapes(operator.output_type_shape)];
  if (['Gemm', 'FusedMatMul'].includes(operator.op_name)) {
    const flops = productFlops(inputs, output);
    const sizes = [...inputs[0], ...inputs[1]];
    if (output.length > 2) return part('attention, products', flops);
    if (sizes.includes(vocabSize)) return part('output layer', flops);
    if (RANK_MULTIPLES.some((n) => sizes.includes(n * rank))) return part('LoRA matrices', flops);
    return part('frozen linear layers', flops);
  }
  if (inputs.some((shape) => shape.includes(vocabSize) && shape.length === 2)) return part('output layer');
  if (COPIES.has(operator.op_name)) return part('copies');
  // The scores of a block's queries: [1, heads, queries, keys], and the mask that is added to them.
  const ofScores =
    operator.op_name === 'Softmax' || (inputs[0]?.length === 4 && ['Add', 'Sub', 'Mul'].includes(operator.op_name));
  return part(
    ofScores || ['Expand', 'Trilu'].includes(operator.op_name)
      ? 'attention, softmax and masks'
      : 'elementwise, norms, rotations',
  );
}
