/**
 * The gradient of a narrow projection of normalized hidden states: LoRA's A, whose input is the output of an RMS norm.
 *
 * Matches y = alpha norm(x) b^T (Gemm with transB) where norm(x) = w x r is the output of an RMS norm, r = 1 / sqrt(mean(x^2) + eps),
 * and `y` has as few columns as LoRA's matrices have ranks.
 *
 * The gradient of `b` is alpha dy^T (w x r), for which norm(x), as large as the hidden states, would be kept until the backward
 * pass. It is also alpha ((dy r)^T x) w: of the tokens only x is needed, which is kept in any case, and r, one number per token.
 */
import { mul } from '../ops/elementwise.ts';
import { transpose } from '../ops/layout.ts';
import { gemm, productOptions } from '../ops/products.ts';
import { RMS_NORM } from '../ops/transformer.ts';
import type { Graph, Node, Tensor } from '../tensor.ts';
import { isNarrow } from './narrow-product.ts';
import type { Rewrite } from './rewrite.ts';

/** The RMS norm whose output a product takes, where there is one. */
const normBefore = (g: Graph, { inputs: [a] }: Node): Node | undefined =>
  g.tape.find(({ opType, outputs }) => opType === RMS_NORM && outputs[0] === a);

/** See the top of the file. */
export const normalizedProduct: Rewrite = {
  matches(g, node) {
    if (node.opType !== 'Gemm') return false;
    const { transA, transB } = productOptions(node);
    return !transA && transB && isNarrow(node.outputs[0]) && normBefore(g, node) !== undefined;
  },

  vjp(g, node, cotangents, wanted) {
    const { alpha } = productOptions(node);
    const { inputs, outputs } = normBefore(g, node)!;
    const [[x, w], [, r], dy] = [inputs as Tensor[], outputs, cotangents[0]!];
    const db = () => mul(g, gemm(g, transpose(g, mul(g, dy, r), [1, 0]), x, { alpha }), w);
    return node.vjp!(g, node, cotangents, wanted).with(1, db);
  },
};
