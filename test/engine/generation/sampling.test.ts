/** Tokens chosen in the graph follow the distribution that temperature, top-k and top-p define. */
import { expect, test } from 'vitest';
import { nextToken } from '../../../engine/generation/sampling.ts';
import { Graph } from '../../../engine/graph/tensor.ts';
import { float32, Session } from '../../../engine/session.ts';
import { samplingSchema, type SamplingSettings } from '../../../engine/settings.ts';

const LOGITS = [1.2, -0.3, 3.1, 0.4, 2.2, -1.5];

/** The share of each token over an even grid of random numbers: the distribution itself, up to the grid's width. */
async function shares(settings: Partial<SamplingSettings>): Promise<number[]> {
  const N = 20_000;
  const g = new Graph();
  const logits = g.input('logits', 'float32', ['B', LOGITS.length]);
  const uniforms = g.input('uniforms', 'float32', ['B']);
  g.output('token', nextToken(g, logits, uniforms, samplingSchema.parse(settings)));
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

test('top-p keeps the token that crosses the line and nothing after it', async () => {
  const [first, second] = softmax([3.1, 2.2]);
  // softmax(LOGITS) is .57 for token 2, .23 for token 4, .09 for token 0.
  close(await shares({ temperature: 1, topP: 0.7 }), [0, 0, first, 0, second, 0]);
  close(await shares({ temperature: 1, topP: 0.5 }), [0, 0, 1, 0, 0, 0]);
});

test('top-p looks at what top-k left, at the given temperature', async () => {
  // Over the three largest at temperature 2: .49, .31, .19.
  const [first, second] = softmax([3.1 / 2, 2.2 / 2]);
  close(await shares({ temperature: 2, topK: 3, topP: 0.75 }), [0, 0, first, 0, second, 0]);
});

test('a random number next to 1 ends on a token that may be drawn', async () => {
  const g = new Graph();
  const [logits, uniforms] = [g.input('logits', 'float32', [1, 3]), g.input('uniforms', 'float32', [1])];
  g.output('token', nextToken(g, logits, uniforms, samplingSchema.parse({ temperature: 1, topK: 2 })));
  const session = await Session.open(g, { threads: 1 });
  const { token } = await session.run({
    logits: float32(Float32Array.of(5, 1, 4), [1, 3]),
    uniforms: float32(Float32Array.of(1), [1]),
  });
  expect(Number((token.data as BigInt64Array)[0])).toBe(2);
});
