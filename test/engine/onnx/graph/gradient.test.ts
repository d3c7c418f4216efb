/** Every operator's gradient against finite differences of its forward pass. */
import { describe, expect, test } from 'vitest';
import { gradient } from '../../../../engine/onnx/graph/gradient.ts';
import * as ops from '../../../../engine/onnx/graph/ops.ts';
import { product, type Shape } from '../../../../engine/onnx/graph/shape.ts';
import { Graph, type Tensor } from '../../../../engine/onnx/graph/tensor.ts';
import { gatedSilu } from '../../../../engine/onnx/model/gated.ts';
import { tokenLogps } from '../../../../engine/onnx/model/logprob.ts';
import { float32, int64, Session, type Feeds } from '../../../../engine/onnx/session.ts';

type Build = (g: Graph, inputs: Tensor[]) => Tensor;

/** Numbers in (-1, 1) from a small generator: the same in every run. */
function numbers(count: number, seed: number): Float32Array {
  let state = seed * 2654435761;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state / 2 ** 32) * 2 - 1;
  });
}

const size = (shape: Shape) => shape.reduce<number>((total, dim) => total * (dim as number), 1);

/** Checks d/dx of sum(c * f(x)), c arbitrary, for every input. Named dimensions are given sizes by `names`. */
async function checkGradient(shapes: Shape[], build: Build, names: Record<string, number> = {}, extra: Feeds = {}) {
  const sized = shapes.map((shape) => shape.map((dim) => (typeof dim === 'string' ? names[dim] : dim)));
  const g = new Graph();
  const inputs = shapes.map((shape, i) => g.input(`x${i}`, 'float32', shape));
  for (const [name, tensor] of Object.entries(extra)) {
    const type = tensor.type === 'int64' ? 'int64' : 'float32';
    g.input(name, type, [...tensor.dims]);
  }
  const y = build(g, inputs);
  const coefficients = g.input('coefficients', 'float32', y.shape);
  const weighted = ops.mul(g, y, coefficients);
  const loss = ops.reduceSum(g, ops.reshape(g, weighted, [product(y.shape)]), 0, false);
  g.output('y', y);
  g.output('loss', loss);
  for (const [i, dx] of gradient(g, loss, inputs).entries()) g.output(`dx${i}`, dx);
  const session = await Session.open(g, { threads: 1 });

  const values = sized.map((shape, i) => numbers(size(shape), i + 1));
  const feeds = (): Feeds => ({
    ...extra,
    ...Object.fromEntries(values.map((value, i) => [`x${i}`, float32(value, sized[i] as number[])])),
  });
  const probe = new Graph();
  const probeInputs = shapes.map((shape, i) => probe.input(`x${i}`, 'float32', shape));
  for (const [name, tensor] of Object.entries(extra)) {
    probe.input(name, tensor.type === 'int64' ? 'int64' : 'float32', [...tensor.dims]);
  }
  probe.output('y', build(probe, probeInputs));
  const forward = await Session.open(probe, { threads: 1 });
  const shapeOfY = (await forward.run(feeds()))['y'].dims;
  const c = numbers(size(shapeOfY), 99);
  const lossAt = async () => {
    const y = (await forward.run(feeds()))['y'].data as Float32Array;
    return y.reduce((total, value, i) => total + value * c[i], 0);
  };
  const result = await session.run({ ...feeds(), coefficients: float32(c, shapeOfY) });
  const STEP = 1e-2;
  for (const [i, value] of values.entries()) {
    const dx = result[`dx${i}`].data as Float32Array;
    expect(result[`dx${i}`].dims).toEqual(sized[i]);
    for (let j = 0; j < value.length; j++) {
      const original = value[j];
      value[j] = original + STEP;
      const above = await lossAt();
      value[j] = original - STEP;
      const below = await lossAt();
      value[j] = original;
      expect(Math.abs(dx[j] - (above - below) / (2 * STEP)), `d/dx${i}[${j}]`).toBeLessThan(3e-3);
    }
  }
  await session.close();
  await forward.close();
}

const cases: Record<string, [Shape[], Build, Record<string, number>?]> = {
  'Add, broadcast': [[[2, 3], [3]], (g, [a, b]) => ops.add(g, a, b)],
  'Sub, broadcast to more axes': [
    [
      [3, 1],
      [2, 3, 2],
    ],
    (g, [a, b]) => ops.sub(g, a, b),
  ],
  'Mul, broadcast along a middle axis': [
    [
      [2, 3, 2],
      [2, 1, 2],
    ],
    (g, [a, b]) => ops.mul(g, a, b),
  ],
  'Mul by itself': [[[4]], (g, [a]) => ops.mul(g, a, a)],
  Div: [
    [
      [3, 2],
      [3, 2],
    ],
    (g, [a, b]) => ops.div(g, a, ops.add(g, b, g.scalar(3))),
  ],
  Neg: [[[3]], (g, [a]) => ops.neg(g, a)],
  Identity: [[[3]], (g, [a]) => ops.identity(g, a)],
  Softplus: [[[5]], (g, [a]) => ops.softplus(g, a)],
  Exp: [[[5]], (g, [a]) => ops.exp(g, a)],
  Sigmoid: [[[5]], (g, [a]) => ops.sigmoid(g, a)],
  'Gated SiLU': [
    [
      [2, 3],
      [2, 3],
    ],
    (g, [a, b]) => gatedSilu(g, ops.mul(g, a, b), b),
  ],
  Softmax: [[[3, 4]], (g, [a]) => ops.softmax(g, a)],
  'ReduceSum keeping the axis': [[[3, 4]], (g, [a]) => ops.reduceSum(g, ops.mul(g, a, a), 1)],
  'ReduceSum to a scalar': [[[4]], (g, [a]) => ops.reduceSum(g, ops.mul(g, a, a), 0, false)],
  'Reshape with named sizes': [[['N', 6]], (g, [a]) => ops.reshape(g, a, ['N', 3, 2]), { N: 2 }],
  Transpose: [[[2, 3, 2]], (g, [a]) => ops.transpose(g, a, [2, 0, 1])],
  Concat: [
    [
      [2, 1],
      [2, 3],
    ],
    (g, [a, b]) => ops.concat(g, [a, b], 1),
  ],
  'Split, one piece unused': [
    [[2, 6]],
    (g, [a]) => {
      const [x, , z] = ops.split(g, a, [2, 1, 3], 1);
      return ops.matmul(g, x, z, { transA: true });
    },
  ],
  'Gather, rows taken twice': [[[4, 3]], (g, [a]) => ops.gather(g, a, g.ints([2, 0, 2, 3, 2], [5]))],
  'Gather of a vector': [[[4]], (g, [a]) => ops.gather(g, ops.mul(g, a, a), g.ints([1, 1, 3]))],
  'Gather, a table of indices': [[[4, 2]], (g, [a]) => ops.gather(g, a, g.ints([0, 1, 1, 3], [2, 2]))],
  // LoRA's A over normalized hidden states: a rewrite of its own.
  'Gemm of an RMS norm to few columns': [
    [[3, 6], [6], [2, 6]],
    (g, [x, w, a]) => ops.gemm(g, ops.rmsNorm(g, x, w, 1e-5)[0], a, { transB: true, alpha: 0.5 }),
  ],
  SimplifiedLayerNormalization: [[[3, 4], [4]], (g, [a, w]) => ops.rmsNorm(g, a, w, 1e-5)[0]],
  RotaryEmbedding: [
    [[1, 2, 3, 4]],
    (g, [x]) => {
      const angles = g.floats([0, 0.3, 1, 0.1, 2, 0.7], [3, 2]);
      return ops.rotary(g, x, g.ints([0, 2, 1], [1, 3]), ops.cos(g, angles), ops.sin(g, angles));
    },
  ],
};

const oriented = (rows: number, columns: number, turned: boolean) => (turned ? [columns, rows] : [rows, columns]);
const matrix = (values: number[]) => float32(Float32Array.from(values), [2, 2]);

describe('gradients equal finite differences', () => {
  test.each(Object.entries(cases))('%s', (_name, [shapes, build, names]) => checkGradient(shapes, build, names));

  const products = [false, true].flatMap((transA) => [false, true].map((transB) => ({ transA, transB })));

  test.each(products)('Gemm %o', ({ transA, transB }) =>
    checkGradient([oriented(2, 3, transA), oriented(3, 4, transB), [4]], (g, [a, b, c]) =>
      ops.gemm(g, a, b, { transA, transB, alpha: 0.5, c }),
    ),
  );
  test.each([
    [200, 3],
    [3, 200],
  ])('Gemm, one factor wider than the ranks of LoRA, %i to %i', (from, to) =>
    checkGradient(
      [
        [2, from],
        [to, from],
      ],
      (g, [a, b]) => ops.gemm(g, a, b, { transB: true }),
    ),
  );
  test.each(products)('FusedMatMul %o, batches broadcast', ({ transA, transB }) =>
    checkGradient(
      [
        [2, 2, ...oriented(2, 3, transA)],
        [2, 1, ...oriented(3, 2, transB)],
      ],
      (g, [a, b]) => ops.matmul(g, a, b, { transA, transB, alpha: 0.7 }),
    ),
  );
  test('TokenLogps, over hidden states and the output layer, tokens in two chunks', () =>
    checkGradient(
      [
        [4, 3],
        [5, 3],
      ],
      (g, [hidden, head]) => {
        const shared = ops.mul(g, hidden, hidden);
        const [rows, targets] = ['rows', 'targets'].map((name) => g.inputs.find((input) => input.name === name)!);
        return tokenLogps(g, shared, head, rows, targets, true);
      },
      {},
      { rows: int64([1, 1, 2, 0], [2, 2]), targets: int64([4, 0, 0, 3], [2, 2]) },
    ));
});

test('gradients are added onto what was accumulated before', async () => {
  const g = new Graph();
  const [a, b] = [g.input('a', 'float32', [2, 2]), g.input('b', 'float32', [2, 2])];
  const before = g.input('before', 'float32', [2, 2]);
  const y = ops.reshape(g, ops.gemm(g, a, b), [4]);
  const [db] = gradient(g, ops.reduceSum(g, y, 0, false), [b], new Map([[b, before]]));
  g.output('db', db);
  const session = await Session.open(g, { threads: 1 });
  const { db: sum } = await session.run({
    a: matrix([1, 2, 3, 4]),
    b: matrix([0, 0, 0, 0]),
    before: matrix([10, 20, 30, 40]),
  });
  expect([...(sum.data as Float32Array)]).toEqual([14, 24, 36, 46]);
});

test("the gradient of LoRA's A does not read the normalized hidden states, which so need not be kept", () => {
  const g = new Graph();
  const [x, w] = [g.input('x', 'float32', ['N', 256]), g.input('w', 'float32', [256])];
  const readsNorm = (rank: number) => {
    const a = g.input(`a${rank}`, 'float32', [rank, 256]);
    const [normalized] = ops.rmsNorm(g, x, w, 1e-5);
    const y = ops.gemm(g, normalized, a, { transB: true });
    const loss = ops.reduceSum(g, ops.reshape(g, y, [product(y.shape)]), 0, false);
    const forward = g.nodes.length;
    gradient(g, loss, [a]);
    return g.nodes.slice(forward).some(({ inputs }) => inputs.includes(normalized));
  };
  expect(readsNorm(8)).toBe(false);
  // Wider than any adapter: an ordinary product.
  expect(readsNorm(129)).toBe(true);
});

test('a loss that is no scalar, an operator without a vjp and a parameter without influence are refused', () => {
  const g = new Graph();
  const [a, b] = [g.input('a', 'float32', [2]), g.input('b', 'float32', [2])];
  expect(() => gradient(g, a, [a])).toThrow('the loss is a scalar, not [2]');
  expect(() => gradient(g, ops.reduceSum(g, ops.cos(g, a), 0, false), [a])).toThrow('the operator Cos has no vjp');
  expect(() => gradient(g, ops.reduceSum(g, a, 0, false), [b])).toThrow('b does not influence the loss');
});
