/** Classifies the operators of a decoding step, which generates one token for every row. */
import { part, productFlops, shapes, type OperatorArguments, type Part } from './profile.ts';
import type { Work } from './work.ts';

const PRODUCTS = new Set(['Gemm', 'FusedMatMul', 'MatMulIntegerToFloat']);
/** Operators that quantize activations when the weights have 8 bits. */
const ROUNDING = new Set(['Abs', 'ReduceMax', 'Max', 'QuantizeLinear']);
/** Only the tensors of attention have two batch dimensions: rows and heads. */
const isAttention = (shape: number[]) => shape.length > 3;

/** The part of a decoding step that an operator belongs to. */
export function decodingPartOf(
  operator: OperatorArguments,
  { vocabSize, weights }: Pick<Work, 'vocabSize' | 'weights'>,
): Part {
  const [inputs, [output]] = [shapes(operator.input_type_shape), shapes(operator.output_type_shape)];
  if (PRODUCTS.has(operator.op_name)) {
    if (isAttention(output)) return part('attention, products', productFlops(inputs, output));
    const flops = 2 * output[0] * output[1] * inputs[0][1];
    if (weights === 'q8' && operator.op_name !== 'MatMulIntegerToFloat') return part('rotating and rounding', flops);
    return part(output[1] === vocabSize ? 'output layer' : 'linear layers', flops);
  }
  if (inputs.some((shape) => shape.includes(vocabSize))) return part('choosing tokens');
  if (weights === 'q8' && ROUNDING.has(operator.op_name)) return part('rotating and rounding');
  // Gathers arrange the queries of rows as those of prompts, and back.
  const attends = ['Softmax', 'Split', 'Gather'].includes(operator.op_name) || inputs.some((shape) => shape.length > 4);
  return part(attends ? 'attention, all else' : 'elementwise, norms, rotations');
}
