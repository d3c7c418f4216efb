/** Decoding with 8-bit weights. */
import { afterAll, expect, test } from 'vitest';
import { Graph } from '../../../../engine/onnx/graph/tensor.ts';
import {
  quantize,
  quantizedConstant,
  quantizedProduct,
  quantizedRows,
  signedProductsAreExact,
} from '../../../../engine/onnx/model/quantize.ts';
import { uniformStream } from '../../../../data/random.ts';
import { samplingSchema } from '../../../../engine/protocol/settings.ts';
import { float32, Session } from '../../../../engine/onnx/session.ts';
import { smollm2 } from '../../../smollm2/model.ts';
import { fixture, readJson } from '../../reference-case.ts';
import { startEngine } from '../../../../engine/backends.ts';

const engine = startEngine();
afterAll(() => engine.close());

const next = uniformStream('quantize');
const random = (count: number) => Float32Array.from({ length: count }, () => next() - 0.5);

/** A Hadamard matrix by its definition: the sign is the parity of the bits that both indices have. */
function hadamard(n: number): number[][] {
  const parity = (bits: number): number => (bits === 0 ? 0 : (bits & 1) ^ parity(bits >> 1));
  const entry = (i: number, j: number) => (parity(i & j) ? -1 : 1) / Math.sqrt(n);
  return Array.from({ length: n }, (_, i) => Array.from({ length: n }, (_, j) => entry(i, j)));
}

/** A row, each block of it multiplied with H. */
const rotated = (H: number[][], row: Float32Array) =>
  Array.from(row, (_, column) => {
    const first = column - (column % H.length);
    return H[column % H.length].reduce((sum, h, i) => sum + h * row[first + i], 0);
  });

const largestOf = (numbers: number[]) => Math.max(...numbers.map(Math.abs));

/** Columns, and how many of them are rotated together. */
const BLOCKS = [
  [128, 64],
  [80, 16],
  [7, 1],
];

test.each(BLOCKS)(
  'of %d columns blocks of %d are rotated, then a weight is half a step off at most',
  (columns, block) => {
    const rows = 5;
    const H = hadamard(block);
    const weights = random(rows * columns);
    weights.fill(0, 0, columns);
    const { values, scales } = quantize(weights, rows, columns);
    expect(scales[0]).toBe(0);
    for (let row = 1; row < rows; row++) {
      const exact = rotated(H, weights.subarray(row * columns, (row + 1) * columns));
      expect(scales[row]).toBeCloseTo(largestOf(exact) / 127, 6);
      for (const [column, w] of exact.entries()) {
        expect(Math.abs(values[column * rows + row] * scales[row] - w)).toBeLessThanOrEqual(scales[row] / 2 + 1e-6);
      }
    }
  },
);

test.each(BLOCKS)(
  'products of rows of %d agree with float64 to the rounding of both factors',
  async (columns, block) => {
    const [N, rows] = [7, 33];
    const [x, weights] = [random(N * columns), random(rows * columns)];
    // A row of zeros, and one with a number much larger than the others.
    x.fill(0, 0, columns);
    x[columns + 3] = 40;
    const g = new Graph();
    const input = g.input('x', 'float32', ['N', columns]);
    const [matrix, rounded] = [quantize(weights, rows, columns), quantizedRows(g, input)];
    g.output('y', quantizedProduct(g, rounded, quantizedConstant(g, matrix, signedProductsAreExact())));
    g.output('unsigned', quantizedProduct(g, rounded, quantizedConstant(g, matrix, false)));
    const session = await Session.open(g, { threads: 1, prepack: true });
    const outputs = await session.run({ x: float32(x, [N, columns]) });
    const y = outputs['y'].data as Float32Array;
    expect(outputs['unsigned'].data).toEqual(y);
    await session.close();
    // A rounded number is off by a uniform share of its row's step, and so is the other factor's: these are a product's deviations.
    const H = hadamard(block);
    const rowOf = (data: Float32Array, row: number) => data.subarray(row * columns, (row + 1) * columns);
    const step = (row: Float32Array) => largestOf(rotated(H, row)) / 127;
    const deviations: number[] = [];
    for (const [i, value] of y.entries()) {
      const [a, b] = [rowOf(x, Math.floor(i / rows)), rowOf(weights, i % rows)];
      const exact = a.reduce((sum, number, k) => sum + number * b[k], 0);
      const expected = Math.hypot(step(a) * Math.hypot(...b), step(b) * Math.hypot(...a)) / Math.sqrt(12);
      if (expected === 0) expect(value).toBe(0);
      else deviations.push((value - exact) / expected);
    }
    const spread = Math.hypot(...deviations) / Math.sqrt(deviations.length);
    expect(spread).toBeGreaterThan(0.7);
    expect(spread).toBeLessThan(1.3);
    expect(largestOf(deviations)).toBeLessThan(6);
  },
);

test('SmolLM2 in 8 bits chooses the tokens of transformers as often as it should, and says how far it is from the policy', async () => {
  const expected = readJson<{ prompt: string; answer_ids: number[] }[]>(fixture('smollm2/expected.json'));
  const prompts = expected.map(({ prompt }, i) => ({
    id: String(i),
    prompt: [{ role: 'user' as const, content: prompt }],
  }));
  const settings = samplingSchema.parse({ maxNewTokens: 32, weights: 'q8' });
  const { responses, divergence } = await engine.run('sample', {
    policy: { model: await smollm2() },
    prompts,
    settings,
    seed: 0,
  });
  // Up to the first difference both continue from the same tokens.
  const firsts = responses.map(([{ token_ids }], i) =>
    token_ids.findIndex((token, j) => token !== expected[i].answer_ids[j]),
  );
  const same = firsts.reduce((sum, first, i) => sum + (first < 0 ? responses[i][0].token_ids.length : first), 0);
  const compared = same + firsts.filter((first) => first >= 0).length;
  // PyTorch, with both factors of every product rotated and rounded so, has 93.8 % of the likeliest tokens of these answers. Which
  // tokens differ hangs on float32's last bits, as a number rounds to the next of 8 bits or does not: within three standard deviations.
  const SHARE = 0.938;
  expect(compared).toBeGreaterThan(80);
  expect(same / compared).toBeGreaterThan(SHARE - 3 * Math.sqrt((SHARE * (1 - SHARE)) / compared));
  // PyTorch's divergence of that rounding, on transformers' answers, is 6.3e-3.
  expect(divergence!.tokens).toBe(responses.reduce((total, [{ token_ids }]) => total + token_ids.length, 0));
  expect(divergence!.klPerToken).toBeGreaterThan(3e-3);
  expect(divergence!.klPerToken).toBeLessThan(1.2e-2);
});
