/** Reverse-mode differentiation: appends the backward pass of a graph as ordinary nodes, by one rule an operator. */
import * as ops from './ops.ts';
import { format, product, type Shape } from './shape.ts';
import type { Contribution, Graph, Node, Rule, Tensor } from './tensor.ts';

const plain =
  (g: Graph, build: () => Tensor): Contribution =>
  (sum) =>
    sum ? ops.add(g, sum, build()) : build();

/** Sums a gradient over the axes along which its tensor was broadcast, in float32. */
function unbroadcast(g: Graph, gradient: Tensor, shape: Shape): Tensor {
  if (format(gradient.shape) === format(shape)) return gradient;
  let reduced = ops.wide(g, gradient);
  while (reduced.shape.length > shape.length) reduced = ops.reduceSum(g, reduced, 0, false);
  for (const [axis, dim] of shape.entries()) {
    if (dim === 1 && reduced.shape[axis] !== 1) reduced = ops.reduceSum(g, reduced, axis);
  }
  return ops.cast(g, reduced, gradient.type);
}

/** A rule for one output and gradients that are plain expressions of it. */
const simple =
  (expressions: (g: Graph, dy: Tensor, node: Node) => ((() => Tensor) | undefined)[]): Rule =>
  (g, node, [dy]) =>
    expressions(g, dy!, node).map((build) => build && plain(g, build));

/** A rule for elementwise operators with broadcasting. */
const elementwise = (expressions: (g: Graph, dy: Tensor, node: Node) => (() => Tensor)[]): Rule =>
  simple((g, dy, node) =>
    expressions(g, dy, node).map((build, i) => () => unbroadcast(g, build(), node.inputs[i]!.shape)),
  );

const flag = (node: Node, name: string) => Boolean(node.attributes[name]);
/** Whether a matrix has so few columns as LoRA's ranks are. */
const isNarrow = ({ shape }: Tensor) => typeof shape[1] === 'number' && shape[1] <= 128;

/** alpha a^T b + sum. The kernels are slow at transposing a long matrix on the way: a narrow one is transposed beforehand. */
function innerProduct(g: Graph, a: Tensor, b: Tensor, alpha: number, sum?: Tensor): Tensor {
  const turned = (x: Tensor) => ops.transpose(g, x, [1, 0]);
  if (isNarrow(a)) {
    // Of a norm x r w, (x r w)^T is not kept for this alone: (a r)^T x w is the same.
    const norm = g.tape.find(({ opType, outputs }) => opType === 'SimplifiedLayerNormalization' && outputs[0] === b);
    if (!norm) return ops.gemm(g, turned(a), b, { alpha, c: sum });
    const [x, w] = norm.inputs as Tensor[];
    const scaled = ops.cast(g, ops.mul(g, ops.wide(g, a), norm.outputs[1]), a.type);
    const product = ops.mul(g, ops.gemm(g, turned(scaled), x, { alpha }), w);
    return sum ? ops.add(g, sum, product) : product;
  }
  if (!isNarrow(b)) return ops.gemm(g, a, b, { transA: true, alpha, c: sum });
  const product = turned(ops.gemm(g, turned(b), a, { alpha }));
  return sum ? ops.add(g, sum, product) : product;
}
const alphaOf = (node: Node) => (node.attributes['alpha'] as { float: number }).float;

export const rules: Record<string, Rule> = {
  Identity: simple((_g, dy) => [() => dy]),
  Cast: simple((g, dy, { inputs: [x] }) => [() => ops.cast(g, dy, x!.type)]),
  Add: elementwise((_g, dy) => [() => dy, () => dy]),
  Sub: elementwise((g, dy) => [() => dy, () => ops.neg(g, dy)]),
  Mul: elementwise((g, dy, { inputs: [a, b] }) => [() => ops.mul(g, dy, b!), () => ops.mul(g, dy, a!)]),
  Div: elementwise((g, dy, { inputs: [, b], outputs: [y] }) => {
    const scaled = ops.div(g, dy, b!);
    return [() => scaled, () => ops.neg(g, ops.mul(g, scaled, y))];
  }),
  Neg: simple((g, dy) => [() => ops.neg(g, dy)]),
  Softplus: simple((g, dy, { inputs: [x] }) => [() => ops.mul(g, dy, ops.sigmoid(g, x!))]),

  // dx = p (dy - sum(dy p))
  Softmax: simple((g, dy, { outputs: [p] }) => [
    () => {
      const weighted = ops.mul(g, dy, p);
      return ops.sub(g, weighted, ops.mul(g, p, ops.reduceSum(g, weighted, -1)));
    },
  ]),

  ReduceSum: simple((g, dy, { inputs: [x], attributes }) => [
    () => {
      if (attributes['keepdims']) return ops.expand(g, dy, x!.shape);
      if (x!.shape.length !== 1) throw new Error(`ReduceSum of ${format(x!.shape)}: keep the axis to differentiate it`);
      return ops.expand(g, dy, x!.shape);
    },
  ]),

  Reshape: simple((g, dy, { inputs: [x] }) => [() => ops.reshape(g, dy, x!.shape), undefined]),
  Transpose: simple((g, dy, { attributes }) => {
    const permutation = (attributes['perm'] as bigint[]).map(Number);
    const inverse = permutation.map((_, axis) => permutation.indexOf(axis));
    return [() => ops.transpose(g, dy, inverse)];
  }),
  Concat: simple((g, dy, { inputs, attributes }) => {
    const axis = attributes['axis'] as number;
    let pieces: Tensor[] | undefined;
    const cut = () =>
      (pieces ??= ops.split(
        g,
        dy,
        inputs.map((input) => input!.shape[axis]),
        axis,
      ));
    return inputs.map((_, i) => () => cut()[i]);
  }),
  Split: (g, node, gradients) => {
    const axis = node.attributes['axis'] as number;
    const whole = () =>
      ops.concat(
        g,
        node.outputs.map((output, i) => gradients[i] ?? ops.zeros(g, output.shape, output.type)),
        axis,
      );
    return [plain(g, whole), undefined];
  },

  // Rows of a table: what comes back is added, in float32, to the rows it was taken from, those taken twice included.
  Gather: (g, { inputs: [x, indices], attributes }, [dy]) => [
    (sum) => {
      if (attributes['axis'] !== 0) throw new Error('Gather: only rows can be differentiated');
      const width = x!.shape.slice(1);
      const count = ops.reshape(g, indices!, [product(indices!.shape)]);
      const rows = ops.wide(g, ops.reshape(g, dy!, [product(indices!.shape), product(width)]));
      const table = [x!.shape[0], product(width)];
      const onto = sum ? ops.wide(g, ops.reshape(g, sum, table)) : ops.zeros(g, table);
      return ops.cast(g, ops.reshape(g, ops.scatterAddRows(g, onto, count, rows), x!.shape), x!.type);
    },
    undefined,
  ],

  // y = alpha op(a) op(b) + c
  Gemm: (g, node, [dy]) => {
    const [a, b, c] = node.inputs as Tensor[];
    const [transA, transB, alpha] = [flag(node, 'transA'), flag(node, 'transB'), alphaOf(node)];
    const da: Contribution = (sum) =>
      transA
        ? ops.gemm(g, b, dy!, { transA: transB, transB: true, alpha, c: sum })
        : ops.gemm(g, dy!, b, { transB: !transB, alpha, c: sum });
    const db: Contribution = (sum) => {
      if (!transA) return transB ? innerProduct(g, dy!, a, alpha, sum) : innerProduct(g, a, dy!, alpha, sum);
      return transB
        ? ops.gemm(g, dy!, a, { transA: true, transB: true, alpha, c: sum })
        : ops.gemm(g, a, dy!, { alpha, c: sum });
    };
    return [da, db, c && plain(g, () => unbroadcast(g, dy!, c.shape))];
  },

  FusedMatMul: simple((g, dy, node) => {
    const [a, b] = node.inputs as Tensor[];
    const [transA, transB, alpha] = [flag(node, 'transA'), flag(node, 'transB'), alphaOf(node)];
    const da = () =>
      transA
        ? ops.matmul(g, b, dy, { transA: transB, transB: true, alpha })
        : ops.matmul(g, dy, b, { transB: !transB, alpha });
    const db = () =>
      transB
        ? ops.matmul(g, dy, a, { transA: true, transB: transA, alpha })
        : ops.matmul(g, a, dy, { transA: !transA, alpha });
    return [() => unbroadcast(g, da(), a.shape), () => unbroadcast(g, db(), b.shape)];
  }),

  // y = w x r, r = 1 / sqrt(mean(x^2) + eps):  dx = r u - x r^3 mean(u x), u = dy w;  dw = sum(dy x r);  in float32, as r is
  SimplifiedLayerNormalization: (g, { inputs: [input, scale], outputs: [, r] }, [dy]) => [
    plain(g, () => {
      const x = ops.wide(g, input!);
      const u = ops.mul(g, ops.wide(g, dy!), ops.wide(g, scale!));
      const mean = ops.reduceMean(g, ops.mul(g, u, x), -1);
      const cubed = ops.mul(g, r, ops.mul(g, r, ops.mul(g, r, mean)));
      return ops.cast(g, ops.sub(g, ops.mul(g, u, r), ops.mul(g, x, cubed)), input!.type);
    }),
    plain(g, () => {
      const slope = ops.mul(g, ops.wide(g, dy!), ops.mul(g, ops.wide(g, input!), r));
      return ops.cast(g, unbroadcast(g, slope, scale!.shape), scale!.type);
    }),
  ],

  // A rotation: its transpose turns back.
  RotaryEmbedding: simple((g, dy, { inputs: [, rows, cosTable, sinTable] }) => [
    () => ops.rotary(g, dy, rows!, cosTable!, ops.neg(g, sinTable!)),
  ]),
};

/**
 * Appends the gradients of a scalar `loss` with respect to `wrt` to the graph.
 *
 * @param onto tensors (by parameter) the gradients are added onto, for accumulation over micro-batches
 * @returns one tensor per entry of `wrt`, of its shape
 * @throws Error when an operator between them has no rule, or a parameter does not influence the loss
 */
export function gradient(g: Graph, loss: Tensor, wrt: Tensor[], onto: Map<Tensor, Tensor> = new Map()): Tensor[] {
  if (loss.shape.length !== 0) throw new Error(`gradient: the loss is a scalar, not ${format(loss.shape)}`);
  return pullBack(g, loss, g.scalar(1), wrt, onto);
}

/**
 * From `slope`, the gradient of some loss with respect to `y`, to its gradients with respect to `wrt`: see gradient(), which
 * is this for the loss itself.
 */
export function pullBack(
  g: Graph,
  y: Tensor,
  slope: Tensor,
  wrt: Tensor[],
  onto: Map<Tensor, Tensor> = new Map(),
): Tensor[] {
  const influenced = new Set(wrt);
  const path = g.tape.filter((node) => {
    const depends = node.inputs.some((input) => input && influenced.has(input));
    if (depends) for (const output of node.outputs) influenced.add(output);
    return depends;
  });
  const gradients = new Map<Tensor, Tensor>(onto);
  const reached = new Set<Tensor>([y]);
  gradients.set(y, slope);
  for (const node of path.toReversed()) {
    const outputs = node.outputs.map((output) => gradients.get(output));
    if (outputs.every((output) => output === undefined)) continue;
    const rule = node.rule ?? rules[node.opType];
    if (!rule) throw new Error(`gradient: no rule for ${node.opType}`);
    const wanted = node.inputs.filter((input) => input !== undefined && influenced.has(input)) as Tensor[];
    for (const [i, contribute] of rule(g, node, outputs, wanted).entries()) {
      const input = node.inputs[i];
      if (!input || !contribute || !influenced.has(input)) continue;
      gradients.set(input, contribute(gradients.get(input)));
      reached.add(input);
    }
  }
  return wrt.map((parameter) => {
    if (!reached.has(parameter)) throw new Error(`gradient: ${parameter.name} does not influence the loss`);
    return gradients.get(parameter)!;
  });
}
