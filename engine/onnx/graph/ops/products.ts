/** Products of matrices, in floating point. */
import { broadcast, format } from '../shape.ts';
import { MICROSOFT, type Contribution, type Graph, type Node, type Tensor } from '../tensor.ts';
import { check, one, sameType, vjpOf } from './emit.ts';

interface ProductOptions {
  /** Whether op(a) is the transpose of `a`, and op(b) of `b`. Default: no. */
  transA?: boolean;
  transB?: boolean;
  /** Default: 1. */
  alpha?: number;
}

const attributesOf = ({ transA = false, transB = false, alpha = 1 }: ProductOptions) => ({
  transA: Number(transA),
  transB: Number(transB),
  alpha: { float: alpha },
});

/** The options that a Gemm or FusedMatMul was built with. */
export const productOptions = ({ attributes }: Node): Required<ProductOptions> => ({
  transA: Boolean(attributes['transA']),
  transB: Boolean(attributes['transB']),
  alpha: (attributes['alpha'] as { float: number }).float,
});

// y = alpha op(a) op(b) + c. Each product adds itself to what there is of its cotangent, as its own c.
const gemmVjp = vjpOf((g, dy, node) => {
  const [a, b, c] = node.inputs as Tensor[];
  const { transA, transB, alpha } = productOptions(node);
  const added = (left: Tensor, right: Tensor, options: ProductOptions): Contribution => ({
    addedTo: (sum) => gemm(g, left, right, { ...options, alpha, c: sum }),
  });
  return [
    transA ? added(b, dy, { transA: transB, transB: true }) : added(dy, b, { transB: !transB }),
    transB ? added(dy, a, { transA: true, transB: transA }) : added(a, dy, { transA: !transA }),
    c && (() => dy),
  ];
});

/**
 * alpha op(a) op(b) + c for matrices: op(a) [m, k], op(b) [k, n].
 * @param options.c broadcasts to [m, n]; default: none
 * @returns [m, n]
 */
export function gemm(g: Graph, a: Tensor, b: Tensor, options: ProductOptions & { c?: Tensor } = {}): Tensor {
  const { transA, transB, c } = options;
  const areMatrices = a.shape.length === 2 && b.shape.length === 2;
  check(areMatrices, 'Gemm', `takes matrices, not ${format(a.shape)} and ${format(b.shape)}`);
  const [m, k] = transA ? [a.shape[1], a.shape[0]] : a.shape;
  const [k2, n] = transB ? [b.shape[1], b.shape[0]] : b.shape;
  check(k === k2, 'Gemm', `inner sizes of ${format([m, k])} and ${format([k2, n])} differ`);
  const shape = [m, n];
  if (c) {
    const fits = format(broadcast('Gemm', c.shape, shape)) === format(shape);
    check(fits, 'Gemm', `c ${format(c.shape)} does not fit`);
  }
  const inputs = c ? [a, b, c] : [a, b];
  const type = sameType('Gemm', ...inputs);
  return one(g, 'Gemm', inputs, shape, { type, attributes: attributesOf(options), vjp: gemmVjp });
}

const matmulVjp = vjpOf((g, dy, node) => {
  const [a, b] = node.inputs as Tensor[];
  const { transA, transB, alpha } = productOptions(node);
  return [
    () =>
      transA ? matmul(g, b, dy, { transA: transB, transB: true, alpha }) : matmul(g, dy, b, { transB: !transB, alpha }),
    () =>
      transB ? matmul(g, dy, a, { transA: true, transB: transA, alpha }) : matmul(g, a, dy, { transA: !transA, alpha }),
  ];
});

/**
 * alpha op(a) op(b) over the last two axes; the axes before them broadcast.
 * @param a [..., m, k] or its transpose
 * @param b [..., k, n] or its transpose
 * @returns [..., m, n]
 */
export function matmul(g: Graph, a: Tensor, b: Tensor, options: ProductOptions = {}): Tensor {
  const { transA, transB } = options;
  const areMatrices = a.shape.length >= 2 && b.shape.length >= 2;
  check(areMatrices, 'MatMul', `takes matrices, not ${format(a.shape)} and ${format(b.shape)}`);
  const [m, k] = transA ? [a.shape.at(-1)!, a.shape.at(-2)!] : a.shape.slice(-2);
  const [k2, n] = transB ? [b.shape.at(-1)!, b.shape.at(-2)!] : b.shape.slice(-2);
  check(k === k2, 'MatMul', `inner sizes of ${format(a.shape)} and ${format(b.shape)} differ`);
  const shape = [...broadcast('MatMul', a.shape.slice(0, -2), b.shape.slice(0, -2)), m, n];
  const type = sameType('MatMul', a, b);
  return one(g, 'FusedMatMul', [a, b], shape, {
    type,
    attributes: attributesOf(options),
    domain: MICROSOFT,
    vjp: matmulVjp,
  });
}
