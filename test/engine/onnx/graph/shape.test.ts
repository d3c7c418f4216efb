/** Symbolic dimensions: equal sizes are equal strings, and the runtime computes the size that a dimension says. */
import { expect, test } from 'vitest';
import * as ops from '../../../../engine/onnx/graph/ops.ts';
import { product, sum, terms, type Dim } from '../../../../engine/onnx/graph/shape.ts';
import { Graph } from '../../../../engine/onnx/graph/tensor.ts';
import { float32, Session } from '../../../../engine/onnx/session.ts';

test('products and sums have one canonical form', () => {
  expect(product([2, 3])).toBe(6);
  expect(product(['S', 2, 'G', 3])).toBe('6*G*S');
  expect(product(['G*S', 2])).toBe(product([2, 'S', 'G']));
  expect(product([0, 'S'])).toBe(0);
  expect(product([])).toBe(1);
  expect(sum(['R', 1, 'P', 2])).toBe('P+R+3');
  expect(sum(['N', 'N', 0])).toBe('2*N');
  expect(sum([2, 3])).toBe(5);
  expect(sum([])).toBe(0);
});

test('a product of a sum is the sum of the products', () => {
  expect(product([2, 'P+R'])).toBe('2*P+2*R');
  expect(product(['P+1', 'P+1'])).toBe('2*P+P*P+1');
});

test('terms', () => {
  expect(terms('2*G*S+1')).toEqual([
    { factor: 2, names: ['G', 'S'] },
    { factor: 1, names: [] },
  ]);
  expect(terms(0)).toEqual([]);
});

test('an input with a dimension in another form is refused', () => {
  expect(() => new Graph().input('x', 'float32', ['S*G'])).toThrow('input x: write the dimension S*G as G*S');
});

test.each<[Dim, number]>([
  ['G', 2],
  ['G*S', 6],
  ['2*G+S+1', 8],
  [product([2, 'G+S', 'S+1']), 40],
  [7, 7],
])('the size of %s', async (dim, size) => {
  const g = new Graph();
  g.input('x', 'float32', ['G', 'S']);
  g.output('size', ops.sizeOf(g, dim));
  const session = await Session.open(g, { threads: 1 });
  const { size: result } = await session.run({ x: float32(new Float32Array(6), [2, 3]) });
  expect([...(result.data as BigInt64Array)]).toEqual([BigInt(size)]);
  await session.close();
});
