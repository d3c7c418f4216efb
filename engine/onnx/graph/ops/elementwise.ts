/** Operators that compute each element by itself. Shapes broadcast by NumPy's rules. */
import { elementTypes, type ElementType } from '../../format/format.ts';
import { broadcast } from '../shape.ts';
import { MICROSOFT, type Graph, type Tensor, type Vjp } from '../tensor.ts';
import { check, one, sameType, vjpOf } from './emit.ts';

type Unary = (g: Graph, x: Tensor) => Tensor;
type Binary = (g: Graph, a: Tensor, b: Tensor) => Tensor;

const unary =
  (opType: string, vjp?: Vjp): Unary =>
  (g, x) =>
    one(g, opType, [x], x.shape, { vjp });
const binary =
  (opType: string, vjp?: Vjp): Binary =>
  (g, a, b) =>
    one(g, opType, [a, b], broadcast(opType, a.shape, b.shape), { type: sameType(opType, a, b), vjp });
const comparison =
  (opType: string): Binary =>
  (g, a, b) => {
    sameType(opType, a, b);
    return one(g, opType, [a, b], broadcast(opType, a.shape, b.shape), { type: 'bool' });
  };

/** a + b */
export const add = binary(
  'Add',
  vjpOf((_g, dy) => [() => dy, () => dy]),
);
/** a - b */
export const sub: Binary = binary(
  'Sub',
  vjpOf((g, dy) => [() => dy, () => neg(g, dy)]),
);
/** a b */
export const mul: Binary = binary(
  'Mul',
  vjpOf((g, dy, { inputs: [a, b] }) => [() => mul(g, dy, b!), () => mul(g, dy, a!)]),
);
/** a / b;  da = dy / b,  db = -dy / b y */
export const div: Binary = binary(
  'Div',
  vjpOf((g, dy, { inputs: [, b], outputs: [y] }) => {
    const scaled = div(g, dy, b!);
    return [() => scaled, () => neg(g, mul(g, scaled, y))];
  }),
);
/** -x */
export const neg: Unary = unary(
  'Neg',
  vjpOf((g, dy) => [() => neg(g, dy)]),
);
/** log(1 + e^x);  dx = dy sigmoid(x) */
export const softplus = unary(
  'Softplus',
  vjpOf((g, dy, { inputs: [x] }) => [() => mul(g, dy, sigmoid(g, x!))]),
);
/** x itself, as a new tensor */
export const identity = unary(
  'Identity',
  vjpOf((_g, dy) => [() => dy]),
);

/** The smaller of a and b. */
export const min = binary('Min');
/** The larger of a and b. */
export const max = binary('Max');
/** a or b, bool. */
export const or = binary('Or');
/** a = b, bool. */
export const equal = comparison('Equal');
/** a < b, bool. */
export const less = comparison('Less');
/** a >= b, bool. */
export const greaterOrEqual = comparison('GreaterOrEqual');
/** not x, bool. */
export const not = unary('Not');
/** |x| */
export const abs = unary('Abs');
/** e^x;  dx = dy y */
export const exp = unary(
  'Exp',
  vjpOf((g, dy, { outputs: [y] }) => [() => mul(g, dy, y)]),
);
/** The natural logarithm of x. */
export const log = unary('Log');
/** sin(x), x in radians. */
export const sin = unary('Sin');
/** cos(x), x in radians. */
export const cos = unary('Cos');
/** 1 / (1 + e^-x);  dx = dy y (1 - y) */
export const sigmoid: Unary = unary(
  'Sigmoid',
  vjpOf((g, dy, { outputs: [y] }) => [() => mul(g, dy, mul(g, y, sub(g, g.scalar(1), y)))]),
);
/** tanh(x) */
export const tanh = unary('Tanh');

/** x sigmoid(x), as one kernel. */
export function silu(g: Graph, x: Tensor): Tensor {
  return one(g, 'QuickGelu', [x], x.shape, { attributes: { alpha: { float: 1 } }, domain: MICROSOFT });
}

/** x times the standard normal distribution's cumulative function of x (arXiv 1606.08415), with the exact erf. */
export function gelu(g: Graph, x: Tensor): Tensor {
  return one(g, 'Gelu', [x], x.shape, { domain: MICROSOFT });
}

/** `x` converted to another element type; `x` itself where it has that type. */
export function cast(g: Graph, x: Tensor, type: ElementType): Tensor {
  if (x.type === type) return x;
  return one(g, 'Cast', [x], x.shape, { type, attributes: { to: elementTypes[type] } });
}

/** `a` where `condition` (bool) is true, else `b`. */
export function where(g: Graph, condition: Tensor, a: Tensor, b: Tensor): Tensor {
  check(condition.type === 'bool', 'Where', `takes a bool condition, not ${condition.type}`);
  const shape = broadcast('Where', condition.shape, broadcast('Where', a.shape, b.shape));
  return one(g, 'Where', [condition, a, b], shape, { type: sameType('Where', a, b) });
}
