/** Decoding with 8-bit weights. */
import { afterAll, expect, test } from 'vitest';
import { startEngine } from '../../../engine/host.ts';
import { Graph } from '../../../engine/graph/tensor.ts';
import { quantize, quantizedProduct } from '../../../engine/model/quantize.ts';
import { uniformStream } from '../../../engine/random.ts';
import { samplingSchema } from '../../../engine/settings.ts';
import { float32, Session } from '../../../engine/session.ts';
import { smollm2 } from '../../smollm2/model.ts';
import { fixture, readJson } from '../reference-case.ts';

const engine = startEngine();
afterAll(() => engine.close());

const next = uniformStream('quantize');
const random = (count: number) => Float32Array.from({ length: count }, () => next() - 0.5);

test('a weight is at most half a step from what it was, a block of zeros is zeros', () => {
  const [rows, columns] = [5, 80];
  const weights = random(rows * columns);
  weights.fill(0, 0, 32);
  const { bytes, scales } = quantize(weights, rows, columns);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const block = row * 3 + Math.floor(column / 32);
      const stored = (bytes[row * 96 + column] - 128) * scales[block];
      expect(Math.abs(stored - weights[row * columns + column])).toBeLessThanOrEqual(scales[block] / 2 + 1e-7);
    }
  }
  expect(scales[0]).toBe(0);
});

test.each([64, 80])('products of rows of %d agree with float64 to the rounding of both factors', async (columns) => {
  const [N, rows] = [7, 33];
  const [x, weights] = [random(N * columns), random(rows * columns)];
  const quantized = quantize(weights, rows, columns);
  const g = new Graph();
  const blocks = Math.ceil(columns / 32);
  const input = g.input('x', 'float32', ['N', columns]);
  const bytes = g.constant('uint8', [rows, blocks, 32], quantized.bytes);
  const scales = g.constant('float32', [rows * blocks], quantized.scales);
  g.output('y', quantizedProduct(g, input, { bytes, scales, rows, columns }));
  const session = await Session.open(g, { threads: 1, prepack: true });
  const y = (await session.run({ x: float32(x, [N, columns]) }))['y'].data as Float32Array;
  await session.close();
  // Each of the products is off by at most half a step of the weight times x, and half a step of x times the weight.
  const bound = columns * (0.5 / 127) * 0.5 * 0.5 * 2;
  const differences = [...y].map((value, i) => {
    const [n, row] = [Math.floor(i / rows), i % rows];
    let exact = 0;
    for (let k = 0; k < columns; k++) exact += x[n * columns + k] * weights[row * columns + k];
    return Math.abs(value - exact);
  });
  expect(Math.max(...differences)).toBeLessThan(bound);
  expect(Math.max(...differences)).toBeGreaterThan(0);
});

test('SmolLM2 in 8 bits chooses the tokens of transformers as often as it should, and says how far it is from the policy', async () => {
  const expected = readJson<{ prompt: string; answer_ids: number[] }[]>(fixture('smollm2/expected.json'));
  const prompts = expected.map(({ prompt }, i) => ({ id: String(i), prompt: [{ role: 'user' as const, content: prompt }] })); // prettier-ignore
  const settings = samplingSchema.parse({ maxNewTokens: 32, weights: 'q8' });
  const { responses, divergence } = await engine.run('sample', { policy: { model: await smollm2() }, prompts, settings, seed: 0 }); // prettier-ignore
  // Up to the first difference both go on from the same tokens.
  const firsts = responses.map(([{ token_ids }], i) => token_ids.findIndex((token, j) => token !== expected[i].answer_ids[j])); // prettier-ignore
  const same = firsts.reduce((sum, first, i) => sum + (first < 0 ? responses[i][0].token_ids.length : first), 0);
  const compared = same + firsts.filter((first) => first >= 0).length;
  // Of the same rounding, 96.0 % of the likeliest tokens were the same over 176 distributions outside of this engine. Which tokens
  // differ hangs on float32's last bits, as a number rounds to the next of 8 bits or does not: within three standard deviations.
  const SHARE = 0.96;
  expect(compared).toBeGreaterThan(80);
  expect(same / compared).toBeGreaterThan(SHARE - 3 * Math.sqrt((SHARE * (1 - SHARE)) / compared));
  // Of the same rounding, 4.0e-3 was measured over 176 distributions outside of this engine.
  expect(divergence!.tokens).toBe(responses.reduce((total, [{ token_ids }]) => total + token_ids.length, 0));
  expect(divergence!.klPerToken).toBeGreaterThan(5e-4);
  expect(divergence!.klPerToken).toBeLessThan(1.5e-2);
});
