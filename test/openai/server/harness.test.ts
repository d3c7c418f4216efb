/** lm-evaluation-harness gives the same results for a policy on `selm serve` as for the model in transformers. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { addressOf, startSelm, type Running } from '../../command.ts';
import { temporaryFolder } from '../../temporary.ts';
import { tinyModel } from '../../tiny-model.ts';
import { harnessPython, runGeneration, runHarness, type Generated, type Outcome } from './harness.ts';

const read = <T>(name: string) =>
  JSON.parse(readFileSync(new URL(`../../fixtures/harness/${name}`, import.meta.url), 'utf8')) as T;
const expected = read<Outcome>('harness.json');
const expectedTexts = read<Generated>('generation.json');
const folder = temporaryFolder();
const model = tinyModel(join(folder, 'model'));
let server: Running;
let measured: Outcome;
let generated: Generated;

beforeAll(async () => {
  const python = await harnessPython();
  server = startSelm(['serve', '--model', model, '--port', '0'], {});
  const url = new URL(await addressOf(server)).origin;
  measured = await runHarness(python, url, model, folder);
  generated = await runGeneration(python, url, model, folder);
});
afterAll(async () => {
  server.process.kill('SIGTERM');
  expect((await server.ended).code).toBe(0);
});

test('with the same figures', () => {
  expect(expected.figures['acc,none']).toBeGreaterThan(0);
  for (const [name, value] of Object.entries(expected.figures)) {
    if (name.startsWith('acc')) expect(measured.figures[name], name).toBeCloseTo(value, 12);
  }
});

test('with the same log-likelihood of every choice, and the same word on whether it is the greedy one', () => {
  expect(measured.responses).toHaveLength(expected.responses.length);
  for (const [i, choices] of expected.responses.entries()) {
    for (const [j, [logp, greedy]] of choices.entries()) {
      expect(Math.abs(measured.responses[i][j][0] - logp), `question ${i}, choice ${j}`).toBeLessThan(1e-3);
      expect(measured.responses[i][j][1]).toBe(greedy);
    }
  }
  const greedy = expected.responses.flat().filter(([, is]) => is);
  expect(greedy.length).toBeGreaterThan(0);
});

test("generation in GSM8K's form, up to the stop texts: with the same answers and figures", () => {
  expect(generated.texts).toEqual(expectedTexts.texts);
  expect(generated.figures).toEqual(expect.objectContaining(expectedTexts.figures));
  expect(Object.keys(expectedTexts.figures)).toContain('exact_match,strict-match');
  expect(expectedTexts.figures['exact_match,strict-match']).toBeGreaterThan(0.3);
  // Some responses end at a stop text, some at the length limit.
  const lengths = expectedTexts.texts.map(({ length }) => length);
  expect(new Set(lengths).size).toBeGreaterThan(10);
});
