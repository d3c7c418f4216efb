/** Feature vectors of responses against transformers' hidden states (see test/fixtures/features). */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { openFeatures, type Features } from '../../engine/features.ts';
import { openSafetensors, readTensorF32 } from '../../engine/model-files/safetensors.ts';
import { startEngine } from '../../engine/backends.ts';
import type { TokenizedScoreRecord } from '../../data/records.ts';
import { temporaryFolder } from '../temporary.ts';
import { fixture, readJson, referenceCase } from './reference-case.ts';

const scratch = temporaryFolder();
const engine = startEngine();
afterAll(() => engine.close());

const rowsOf = (name: string): TokenizedScoreRecord[] =>
  readJson<{ rows: { prompt: number[]; response: number[] }[] }>(fixture(`features/${name}.json`)).rows.map(
    ({ prompt, response }) => ({ prompt_input_ids: prompt, response_input_ids: response }),
  );

/** The largest difference of an element. */
const difference = (a: Float32Array, b: Float32Array) =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0);

const all = ({ rows, row }: Features) => Float32Array.from(Array.from({ length: rows }, (_, i) => [...row(i)]).flat());

let files = 0;
const newFile = () => join(scratch, `features-${files++}.safetensors`);

test.each(['llama', 'qwen2'])('%s: the hidden state of the last token', async (name) => {
  const { policy } = referenceCase(name);
  const [rows, file] = [rowsOf(name), newFile()];
  const scores = await engine.run('score', { policy, rows, features: file, threads: 2 });
  const { logps } = readJson<{ logps: number[] }>(fixture(`features/${name}.json`));
  for (const [i, { logp, tokens }] of scores.entries()) {
    expect(Math.abs(logp - logps[i])).toBeLessThan(1e-4);
    expect(tokens).toBe(rows[i].response_input_ids.length);
  }
  const wanted = openSafetensors(fixture(`features/${name}.safetensors`)).get('features')!;
  const features = openFeatures(file);
  expect([features.rows, features.width]).toEqual(wanted.shape);
  expect(difference(all(features), readTensorF32(wanted))).toBeLessThan(1e-4);
});

test('the log-probabilities are those without features, and computing again gives the same file', async () => {
  const { policy } = referenceCase('llama');
  const rows = rowsOf('llama');
  const files = [newFile(), newFile()];
  const scores = await engine.run('score', { policy, rows, features: files[0], threads: 2 });
  expect(scores).toEqual(await engine.run('score', { policy, rows, threads: 2 }));
  await engine.run('score', { policy, rows, features: files[1], threads: 2 });
  const [first, second] = files.map((file) => readFileSync(file));
  expect(first.equals(second)).toBe(true);
});

test('a response without tokens, alone', async () => {
  const { policy } = referenceCase('llama');
  const [rows, file] = [rowsOf('llama').slice(-1), newFile()];
  expect(await engine.run('score', { policy, rows, features: file, threads: 2 })).toEqual([{ logp: 0, tokens: 0 }]);
  const wanted = readTensorF32(openSafetensors(fixture('features/llama.safetensors')).get('features')!);
  const { width, row } = openFeatures(file);
  expect(difference(row(0), wanted.subarray(-width))).toBeLessThan(1e-4);
});

test('rows of many batches have the vectors that they have alone, at their index', async () => {
  const { policy } = referenceCase('llama');
  // Longest first, prompts in turns: the order of the batches is not that of the rows.
  const rows = Array.from({ length: 90 }, (_, i) => ({
    prompt_input_ids: [1, 3 + (i % 4)],
    response_input_ids: Array.from({ length: 90 - i }, (__, j) => (i * 3 + j * 13) % 97),
  }));
  const file = newFile();
  const reports: number[] = [];
  const onProgress = ({ done }: { done: number }) => reports.push(done);
  await engine.run('score', { policy, rows, features: file, threads: 2 }, { onProgress });
  expect(reports.length).toBeGreaterThan(1);
  const together = openFeatures(file);
  for (const i of [0, 1, 45, 88, 89]) {
    const alone = newFile();
    await engine.run('score', { policy, rows: [rows[i]], features: alone, threads: 2 });
    expect(difference(together.row(i), openFeatures(alone).row(0)), `row ${i}`).toBeLessThan(1e-4);
  }
});
