/** Operators refuse what does not fit, at the time of building and by name. */
import { expect, test } from 'vitest';
import { encodeGraph } from '../../../../engine/onnx/graph/encode.ts';
import * as ops from '../../../../engine/onnx/graph/ops.ts';
import { Graph } from '../../../../engine/onnx/graph/tensor.ts';
import { float32, int64, Session } from '../../../../engine/onnx/session.ts';

const graph = () => {
  const g = new Graph();
  return { g, f: (name: string, ...shape: (number | string)[]) => g.input(name, 'float32', shape) };
};

test('shapes that do not broadcast are refused', () => {
  const { g, f } = graph();
  expect(() => ops.add(g, f('a', 2, 3), f('b', 2))).toThrow('Add: [2, 3] and [2] do not broadcast');
  expect(() => ops.mul(g, f('c', 'N'), f('d', 'M'))).toThrow('Mul: [N] and [M] do not broadcast');
});

test('products check their inner sizes, named ones included', () => {
  const { g, f } = graph();
  expect(() => ops.gemm(g, f('a', 2, 3), f('b', 2, 3))).toThrow('Gemm: inner sizes of [2, 3] and [2, 3] differ');
  expect(ops.gemm(g, f('c', 'N', 3), f('d', 'M', 3), { transB: true }).shape).toEqual(['N', 'M']);
  expect(() => ops.matmul(g, f('e', 'N', 'P'), f('f', 'Q', 2))).toThrow('MatMul: inner sizes');
});

test('element types are not mixed', () => {
  const { g, f } = graph();
  expect(() => ops.add(g, f('a', 2), g.ints([1, 2]))).toThrow('Add: takes tensors of one type, not float32 and int64');
  expect(() => ops.gather(g, f('b', 2), f('c', 2))).toThrow('Gather: takes int64 indices, not float32');
});

test('a reshape keeps the number of elements, whatever its sizes are called', () => {
  const { g, f } = graph();
  expect(ops.reshape(g, f('a', 'G', 'S', 6), ['G*S', 2, 3]).shape).toEqual(['G*S', 2, 3]);
  expect(() => ops.reshape(g, f('b', 'G', 6), ['S', 6])).toThrow('Reshape: [G, 6] does not fit [S, 6]');
});

test('a reshape to several named sizes finds them at run time', async () => {
  const { g, f } = graph();
  const x = ops.transpose(g, f('x', 'G', 'S', 2), [1, 0, 2]);
  g.output('y', ops.reshape(g, ops.reshape(g, x, ['G*S', 2]), ['G', 'S', 2]));
  const session = await Session.open(g, { threads: 1 });
  const { y } = await session.run({ x: float32(new Float32Array(12), [2, 3, 2]) });
  expect(y.dims).toEqual([2, 3, 2]);
});

test('what no output depends on is left out of the file', () => {
  const { g, f } = graph();
  const x = f('x', 2);
  g.output('y', ops.add(g, x, x));
  const size = encodeGraph(g).length;
  ops.exp(g, ops.mul(g, x, g.floats([1, 2])));
  expect(encodeGraph(g).length).toBe(size);
});

test('rows added to the same place are all counted, and the sum is the same in every run', async () => {
  const g = new Graph();
  const indices = g.input('indices', 'int64', ['N']);
  const rows = g.input('rows', 'float32', ['N', 8]);
  g.output('sum', ops.scatterAddRows(g, ops.zeros(g, [3, 8]), indices, rows));
  const session = await Session.open(g, { threads: 2 });
  const N = 3000;
  const values = Float32Array.from({ length: N * 8 }, (_, i) => Math.sin(i));
  const run = async () =>
    (
      await session.run({
        indices: int64(
          Array.from({ length: N }, (_, i) => i % 3),
          [N],
        ),
        rows: float32(values, [N, 8]),
      })
    )['sum'].data as Float32Array;
  const first = await run();
  const expected = Array.from({ length: N / 3 }, (_, i) => Math.sin(i * 24)).reduce((a, b) => a + b);
  expect(first[0]).toBeCloseTo(expected, 3);
  for (let i = 0; i < 20; i++) expect(await run()).toEqual(first);
});
