/** Rewards against transformers: models of the engine's families, and one written by torch.onnx. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openTokenizer } from '../../../engine/model/tokenizer.ts';
import { encodeExchange } from '../../../engine/rankers/exchange.ts';
import { openRewardModel } from '../../../engine/rankers/reward.ts';
import { temporaryFolder } from '../../temporary.ts';
import { fixture } from '../reference-case.ts';
import { changed, difference, expected, folderOf, rows } from './fixtures.ts';

const THREADS = 2;
const TOLERANCE = 1e-4;
const folder = temporaryFolder();
const fresh = (name: string, settings: Record<string, unknown> = {}) =>
  changed(join(folder, String(Math.random()).slice(2)), name, settings);

describe.each(['llama', 'qwen2', 'qwen3', 'onnx-reward'] as const)('%s', (name) => {
  test('rewards are those that transformers computes in one padded batch', async () => {
    const model = await openRewardModel(folderOf(name), THREADS);
    expect(difference(await model.rewards(rows), expected[name].rewards)).toBeLessThan(TOLERANCE);
    await model.close();
  });

  test('a reward is the same alone, among others and in more than one pass', async () => {
    const model = await openRewardModel(folderOf(name), THREADS);
    const many = Array.from({ length: 30 }, () => rows).flat();
    const progress: [number, number][] = [];
    const together = await model.rewards(many, (...done) => progress.push(done));
    expect(progress.length).toBeGreaterThan(1);
    expect(progress.at(-1)![0]).toBe(30 * 12);
    expect(difference(together, Array.from({ length: 30 }, () => expected[name].rewards).flat())).toBeLessThan(TOLERANCE); // prettier-ignore
    const [[alone]] = await model.rewards([{ prompt: rows[1].prompt, answers: [rows[1].answers[2]] }]);
    expect(Math.abs(alone - expected[name].rewards[1][2])).toBeLessThan(TOLERANCE);
    await model.close();
  });
});

test.each(['llama', 'qwen2'] as const)("%s: an exchange's tokens are those of transformers' chat template", (name) => {
  const tokenizer = openTokenizer(folderOf(name));
  expect(rows[0].answers.map((answer) => encodeExchange(tokenizer, rows[0].prompt, answer).ids)).toEqual(expected[name].tokens); // prettier-ignore
});

const refusal = (target: string) => openRewardModel(target, THREADS).catch(({ name, message }: Error) => `${name}: ${message}`); // prettier-ignore

describe('what is no reward model of one number is refused in a sentence', () => {
  test('several labels', async () => {
    expect(await refusal(fresh('qwen3', { id2label: { 0: 'bad', 1: 'good' } }))).toMatch(/^InputError: .* gives 2 numbers an answer \(num_labels in config\.json\), but a reward is one/); // prettier-ignore
  });

  test('a language model', async () => {
    expect(await refusal(fixture('reference/llama/model'))).toMatch(
      /^InputError: .*config\.json asks for the architecture LlamaForCausalLM, which is not supported; supported are LlamaForSequenceClassification, /,
    );
  });

  test('an unfinished download', async () => {
    const target = fresh('qwen3', { num_hidden_layers: 3 });
    expect(await refusal(target)).toMatch(/^InputError: .* has no tensor "model\.layers\.2\./);
    const noTokenizer = fresh('llama');
    rmSync(join(noTokenizer, 'tokenizer.json'));
    expect(await refusal(noTokenizer)).toMatch(/^InputError: .* has no tokenizer\.json/);
  });

  test('a damaged ONNX file', async () => {
    const target = fresh('onnx-reward');
    writeFileSync(join(target, 'model.onnx'), 'nothing');
    expect(await refusal(target)).toMatch(/^InputError: .*model\.onnx cannot be opened/);
  });

  test('an exchange that the model has no room for', async () => {
    for (const name of ['llama', 'onnx-reward']) {
      const model = await openRewardModel(folderOf(name), THREADS);
      await expect(model.rewards([{ prompt: 'x', answers: ['word '.repeat(1000)] }])).rejects.toThrow(/Row 1: .* is longer than the model/); // prettier-ignore
      await model.close();
    }
  });
});
