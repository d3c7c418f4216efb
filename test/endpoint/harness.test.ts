/** lm-evaluation-harness measures a policy behind `selm serve` as it measures the model through transformers. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startSelm, type Running } from '../command.ts';
import { temporaryFolder } from '../temporary.ts';
import { tinyModel } from '../tiny-model.ts';
import { harnessPython, runHarness, type Outcome } from './harness.ts';

const expected = JSON.parse(readFileSync(new URL('../fixtures/harness/harness.json', import.meta.url), 'utf8')) as Outcome; // prettier-ignore
const folder = temporaryFolder();
const model = tinyModel(join(folder, 'model'));
let server: Running;
let measured: Outcome;

beforeAll(async () => {
  const python = await harnessPython();
  server = startSelm(['serve', '--model', model, '--port', '0'], {});
  const [line] = (await once(server.process.stdout!, 'data')) as [Buffer];
  const url = /http:\/\/127\.0\.0\.1:\d+/.exec(String(line))![0];
  measured = await runHarness(python, url, model, folder);
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
