/** Tokens sampled in the graph follow the distribution that temperature, top-k and top-p define. */
import { describe, expect, test } from 'vitest';
import { logitScale, nextToken } from '../../../../engine/onnx/generation/sampling.ts';
import { Graph } from '../../../../engine/onnx/graph/tensor.ts';
import { uniformStream } from '../../../../data/random.ts';
import { float32, Session } from '../../../../engine/onnx/session.ts';
import { samplingSchema, type SamplingSettings } from '../../../../engine/protocol/settings.ts';

const LOGITS = [1.2, -0.3, 3.1, 0.4, 2.2, -1.5];

/** The share of each token over an even grid of random numbers: the distribution itself, up to the grid's width. */
async function shares(settings: Partial<SamplingSettings>): Promise<number[]> {
  const N = 20_000;
  const g = new Graph();
  const logits = g.input('logits', 'float32', ['B', LOGITS.length]);
  const uniforms = g.input('uniforms', 'float32', ['B']);
  const parsed = samplingSchema.parse(settings);
  const factor = logitScale(parsed.temperature);
  const scale = factor === undefined ? undefined : g.scalar(factor);
  g.output('token', nextToken(g, logits, uniforms, parsed, scale));
  const session = await Session.open(g, { threads: 1 });
  const rows = Float32Array.from({ length: N * LOGITS.length }, (_, i) => LOGITS[i % LOGITS.length]);
  const grid = Float32Array.from({ length: N }, (_, i) => (i + 0.5) / N);
  const { token } = await session.run({ logits: float32(rows, [N, LOGITS.length]), uniforms: float32(grid, [N]) });
  const counts = LOGITS.map(() => 0);
  for (const id of token.data as BigInt64Array) counts[Number(id)]++;
  return counts.map((count) => count / N);
}

function softmax(logits: number[]): number[] {
  const weights = logits.map(Math.exp);
  const total = weights.reduce((a, b) => a + b);
  return weights.map((weight) => weight / total);
}

const close = (actual: number[], expected: number[]) => {
  for (const [i, share] of actual.entries()) expect(share).toBeCloseTo(expected[i], 3);
};

test('greedy takes the largest, whatever the random number', async () => {
  close(await shares({ temperature: 0 }), [0, 0, 1, 0, 0, 0]);
});

test('temperature 1 is the softmax', async () => {
  close(await shares({ temperature: 1 }), softmax(LOGITS));
});

test('a temperature divides the logits', async () => {
  close(await shares({ temperature: 0.5 }), softmax(LOGITS.map((x) => x / 0.5)));
});

test('top-k renormalizes over the k largest', async () => {
  const [first, second, third] = softmax([3.1, 2.2, 1.2]);
  close(await shares({ temperature: 1, topK: 3 }), [third, 0, first, 0, second, 0]);
});

test('top-p keeps the token that reaches it and nothing after that', async () => {
  const [first, second] = softmax([3.1, 2.2]);
  // softmax(LOGITS) is .57 for token 2, .23 for token 4, .09 for token 0.
  close(await shares({ temperature: 1, topP: 0.7 }), [0, 0, first, 0, second, 0]);
  close(await shares({ temperature: 1, topP: 0.5 }), [0, 0, 1, 0, 0, 0]);
});

test('top-p is applied after temperature and top-k', async () => {
  // Over the three largest at temperature 2: .49, .31, .19.
  const [first, second] = softmax([3.1 / 2, 2.2 / 2]);
  close(await shares({ temperature: 2, topK: 3, topP: 0.75 }), [0, 0, first, 0, second, 0]);
});

test('a random number next to 1 draws a token of positive probability', async () => {
  const g = new Graph();
  const [logits, uniforms] = [g.input('logits', 'float32', [1, 3]), g.input('uniforms', 'float32', [1])];
  g.output('token', nextToken(g, logits, uniforms, samplingSchema.parse({ temperature: 1, topK: 2 }), undefined));
  const session = await Session.open(g, { threads: 1 });
  const { token } = await session.run({
    logits: float32(Float32Array.of(5, 1, 4), [1, 3]),
    uniforms: float32(Float32Array.of(1), [1]),
  });
  expect(Number((token.data as BigInt64Array)[0])).toBe(2);
});

/** With the probabilities side by side in the given order of tokens, the random number lies in that of the drawn token. */
function expectInverse({ u, token }: { u: number; token: number }, tokens: number[], probabilities: number[]) {
  const place = tokens.indexOf(token);
  expect(place).toBeGreaterThanOrEqual(0);
  const total = tokens.reduce((sum, id) => sum + probabilities[id], 0);
  const before = tokens.slice(0, place).reduce((sum, id) => sum + probabilities[id], 0) / total;
  expect(probabilities[token]).toBeGreaterThan(0);
  expect(u).toBeGreaterThan(before - 1e-6);
  expect(u).toBeLessThan(before + probabilities[token] / total + 1e-6);
}

describe.each([384, 500])('of %d tokens', (V) => {
  const ROWS = 2000;
  const next = uniformStream('vocabulary');
  /** Normal numbers, and some tokens of no probability at all, the last ones among them. */
  const normal = () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
  const row = (): number[] =>
    Array.from({ length: V }, (_, i) => (i % 7 === 0 || i > V - 9 ? -Infinity : 2 * normal()));

  /** Draws, with what they were drawn of; the last random number is 1, which rounding can make of one below it. */
  async function drawn(settings: Partial<SamplingSettings>) {
    const g = new Graph();
    const [logits, uniforms] = [g.input('logits', 'float32', ['B', V]), g.input('uniforms', 'float32', ['B'])];
    g.output('token', nextToken(g, logits, uniforms, samplingSchema.parse({ temperature: 1, ...settings }), undefined));
    const session = await Session.open(g, { threads: 2 });
    const rows = Array.from({ length: ROWS }, row);
    const numbers = Float32Array.from(rows, (_, i) => (i === 0 ? 0 : i === ROWS - 1 ? 1 : next()));
    const { token } = await session.run({
      logits: float32(Float32Array.from(rows.flat()), [ROWS, V]),
      uniforms: float32(numbers, [ROWS]),
    });
    await session.close();
    return Array.from(token.data as BigInt64Array, (id, i) => ({ logits: rows[i], u: numbers[i], token: Number(id) }));
  }

  test('each draw is the inverse of the cumulative distribution at its random number', async () => {
    const tokens = Array.from({ length: V }, (_, id) => id);
    for (const draw of await drawn({})) expectInverse(draw, tokens, softmax(draw.logits));
  });

  test.each([0.1, 0.9, 0.999])('top-p of %d keeps the fewest tokens that reach it', async (topP) => {
    for (const draw of await drawn({ topP })) {
      const probabilities = softmax(draw.logits);
      const sorted = probabilities.map((_, id) => id).sort((a, b) => probabilities[b] - probabilities[a]);
      let mass = 0;
      const kept = sorted.filter((id) => (mass += probabilities[id]) - probabilities[id] < topP);
      expectInverse(draw, kept, probabilities);
    }
  });
});
