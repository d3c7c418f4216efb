/** Sums, extremes and softmax along one axis. */
import { axisOf, format } from '../shape.ts';
import type { Graph, Tensor, Vjp } from '../tensor.ts';
import { mul, sub } from './elementwise.ts';
import { check, one, vjpOf } from './emit.ts';
import { expand } from './layout.ts';

/** @param keep whether the axis stays, with size 1 */
type Reduction = (g: Graph, x: Tensor, axis: number, keep?: boolean) => Tensor;

const reduction =
  (opType: string, vjp?: Vjp): Reduction =>
  (g, x, axis, keep = true) => {
    const at = axisOf(opType, x.shape, axis);
    const shape = keep ? x.shape.with(at, 1) : x.shape.toSpliced(at, 1);
    return one(g, opType, [x, g.ints([at])], shape, { attributes: { keepdims: Number(keep) }, vjp });
  };

/** The sum along one axis. It can be differentiated if the axis is kept, or the only one. */
export const reduceSum = reduction(
  'ReduceSum',
  vjpOf((g, dy, { inputs: [x], attributes }) => {
    const isBroadcast = Boolean(attributes['keepdims']) || x!.shape.length === 1;
    check(isBroadcast, 'ReduceSum', `of ${format(x!.shape)}: keep the axis to differentiate it`);
    return [() => expand(g, dy, x!.shape)];
  }),
);
/** The mean along one axis. */
export const reduceMean = reduction('ReduceMean');
/** The smallest element along one axis. */
export const reduceMin = reduction('ReduceMin');
/** The largest element along one axis. */
export const reduceMax = reduction('ReduceMax');

/** e^x / sum(e^x) over the last axis: p;  dx = p (dy - sum(dy p)) */
export function softmax(g: Graph, x: Tensor): Tensor {
  return one(g, 'Softmax', [x], x.shape, { attributes: { axis: -1 }, vjp: softmaxVjp });
}

const softmaxVjp = vjpOf((g, dy, { outputs: [p] }) => [
  () => {
    const weighted = mul(g, dy, p);
    return sub(g, weighted, mul(g, p, reduceSum(g, weighted, -1)));
  },
]);

/** log softmax(x) over the last axis. */
export function logSoftmax(g: Graph, x: Tensor): Tensor {
  return one(g, 'LogSoftmax', [x], x.shape, { attributes: { axis: -1 } });
}

/** The sum of each element and those before it along the last axis; with `exclusive`, only of those before it. */
export function cumulativeSum(g: Graph, x: Tensor, { exclusive = false } = {}): Tensor {
  return one(g, 'CumSum', [x, g.ints([-1], [])], x.shape, { attributes: { exclusive: Number(exclusive) } });
}
