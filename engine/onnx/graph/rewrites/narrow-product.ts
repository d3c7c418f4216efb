/**
 * The gradient of a factor of a product with few columns: LoRA's matrices.
 *
 * Matches y = alpha a op(b) (Gemm without transA) where `a` [N, k] or `y` [N, n] has so few columns as LoRA's matrices have ranks:
 * x A^T, whose result is narrow, and (x A^T) B^T, whose left factor is.
 *
 * The gradient of `b` is a sum over the N tokens, left^T right, with left and right [N, few] and [N, many] in some order. ONNX
 * Runtime's kernels are slow where they have to transpose a long matrix on the way. So the narrow one is transposed beforehand,
 * by an operator of its own: left^T right where left is narrow, else (right^T left)^T.
 */
import { gemm, productOptions } from '../ops/products.ts';
import { transpose } from '../ops/layout.ts';
import type { Contribution, Node, Tensor } from '../tensor.ts';
import type { Rewrite } from './rewrite.ts';

/** Whether a matrix has at most as many columns as LoRA adapters have ranks. */
export const isNarrow = ({ shape }: Tensor): boolean => typeof shape[1] === 'number' && shape[1] <= 128;

/** The factors of b's gradient, left^T right, where y = a op(b): dy^T a where `b` is transposed, else a^T dy. */
function factorsOf(node: Node, dy: Tensor): [left: Tensor, right: Tensor] {
  const a = node.inputs[0]!;
  return productOptions(node).transB ? [dy, a] : [a, dy];
}

/** See the top of the file. */
export const narrowProduct: Rewrite = {
  matches: (_g, node) =>
    node.opType === 'Gemm' && !productOptions(node).transA && (isNarrow(node.inputs[0]!) || isNarrow(node.outputs[0])),

  vjp(g, node, cotangents, wanted) {
    const { alpha } = productOptions(node);
    const [left, right] = factorsOf(node, cotangents[0]!);
    const db: Contribution = isNarrow(left)
      ? { addedTo: (sum) => gemm(g, transpose(g, left, [1, 0]), right, { alpha, c: sum }) }
      : () => transpose(g, gemm(g, transpose(g, right, [1, 0]), left, { alpha }), [1, 0]);
    return node.vjp!(g, node, cotangents, wanted).with(1, db);
  },
};
