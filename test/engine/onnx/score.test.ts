/** Scores belong to their row alone, whatever is computed beside it. Their values against PyTorch: reference.test.ts. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openLlamaPolicy } from '../../../engine/tokens/policy.ts';
import { Scorer } from '../../../engine/onnx/score.ts';
import { referenceCase } from '../reference-case.ts';
import type { TokenizedResponse } from '../../../engine/tokens/responses.ts';

const VOCABULARY = 97;
const { policy, pairs } = referenceCase('llama');
let scorer: Scorer;
beforeAll(async () => {
  scorer = await Scorer.open(openLlamaPolicy(policy), 2);
});
afterAll(() => scorer.close());

/** Rows of many lengths, more than one pass holds; every third shares its prompt with others. */
const rows: TokenizedResponse[] = Array.from({ length: 60 }, (_, i) => ({
  prompt: i % 3 ? Array.from({ length: 1 + ((i * 7) % 40) }, (__, j) => (i + j * 5) % VOCABULARY) : pairs[0].prompt,
  response: Array.from({ length: 1 + ((i * 11) % 90) }, (__, j) => (i * 3 + j * 13) % VOCABULARY),
}));

test('many rows score as each alone, in their order', async () => {
  const together = await scorer.score(rows);
  for (const [i, row] of rows.entries()) {
    const [alone] = await scorer.score([row]);
    expect(Math.abs(together[i] - alone), `row ${i}`).toBeLessThan(1e-3);
  }
});

test('the probabilities of all next tokens add up to one', async () => {
  const { prompt } = pairs[0];
  const logps = await scorer.score(Array.from({ length: VOCABULARY }, (_, id) => ({ prompt, response: [id] })));
  expect(logps.reduce((total, logp) => total + Math.exp(logp), 0)).toBeCloseTo(1, 5);
});

test("a response's score is the sum over its tokens, each after those before it", async () => {
  const { prompt, chosen } = pairs[0];
  const parts = chosen.map((id, i) => ({ prompt: [...prompt, ...chosen.slice(0, i)], response: [id] }));
  const [whole] = await scorer.score([{ prompt, response: chosen }]);
  expect(whole).toBeCloseTo(
    (await scorer.score(parts)).reduce((a, b) => a + b),
    4,
  );
});

test('progress counts rows and the tokens computed', async () => {
  const reports: [number, number][] = [];
  await scorer.score(rows, (done, tokens) => reports.push([done, tokens]));
  expect(reports.length).toBeGreaterThan(1);
  expect(reports.at(-1)![0]).toBe(rows.length);
  const separate = rows.reduce((total, { prompt, response }) => total + prompt.length + response.length, 0);
  // The shared prompt is computed once a pass, not once a row.
  const shared = rows.filter(({ prompt }) => prompt === pairs[0].prompt).length - 1;
  expect(reports.at(-1)![1]).toBe(separate - shared * pairs[0].prompt.length);
});

test('nothing scores as nothing', async () => {
  expect([...(await scorer.score([]))]).toEqual([]);
});
