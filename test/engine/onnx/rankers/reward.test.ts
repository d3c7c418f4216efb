/** Rewards equal those of transformers, for models of the supported architectures and for one exported by torch.onnx. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { InputError } from '../../../../data/errors.ts';
import { openTokenizer } from '../../../../engine/tokenizer/tokenizer.ts';
import { fit } from '../../../../engine/rankers/context.ts';
import { encodeExchange } from '../../../../engine/rankers/exchange.ts';
import { openRewardModel } from '../../../../engine/onnx/rankers/reward.ts';
import { temporaryFolder } from '../../../temporary.ts';
import { fixture, readJson } from '../../reference-case.ts';
import { changed, difference, expected, folderOf, rows } from './fixtures.ts';

const THREADS = 2;
const TOLERANCE = 1e-4;
const folder = temporaryFolder();
const fresh = (name: string, settings: Record<string, unknown> = {}) =>
  changed(join(folder, String(Math.random()).slice(2)), name, settings);

describe.each(['llama', 'qwen2', 'qwen3', 'onnx-reward'] as const)('%s', (name) => {
  test('rewards are those that transformers computes in one padded batch', async () => {
    const model = await openRewardModel(folderOf(name), THREADS);
    expect(difference((await model.rewards(rows, 'cut')).scores as number[][], expected[name].rewards)).toBeLessThan(
      TOLERANCE,
    );
    await model.close();
  });

  test('a reward is the same alone, among others and in more than one batch', async () => {
    const model = await openRewardModel(folderOf(name), THREADS);
    const many = Array.from({ length: 30 }, () => rows).flat();
    const progress: [number, number][] = [];
    const { scores: together } = await model.rewards(many, 'cut', (...done) => progress.push(done));
    expect(progress.length).toBeGreaterThan(1);
    expect(progress.at(-1)![0]).toBe(30 * 12);
    expect(
      difference(together as number[][], Array.from({ length: 30 }, () => expected[name].rewards).flat()),
    ).toBeLessThan(TOLERANCE);
    const {
      scores: [[alone]],
    } = await model.rewards([{ ...rows[1], answers: [rows[1].answers[2]] }], 'cut');
    expect(Math.abs(alone! - expected[name].rewards[1][2])).toBeLessThan(TOLERANCE);
    await model.close();
  });
});

test.each(['llama', 'qwen2'] as const)("%s: an exchange's tokens are those of transformers' chat template", (name) => {
  const tokenizer = openTokenizer(folderOf(name));
  expect(rows[0].answers.map((answer) => encodeExchange(tokenizer, rows[0].prompt, answer).ids)).toEqual(
    expected[name].tokens,
  );
});

const refusal = (target: string) =>
  openRewardModel(target, THREADS).catch(({ name, message }: Error) => `${name}: ${message}`);

describe('a folder that is no reward model with one output is refused', () => {
  test('several labels', async () => {
    expect(await refusal(fresh('qwen3', { id2label: { 0: 'bad', 1: 'good' } }))).toMatch(
      /^InputError: .* has 2 outputs \(num_labels in config\.json\), but a reward model has one/,
    );
  });

  test('a language model', async () => {
    expect(await refusal(fixture('reference/llama/model'))).toMatch(
      new RegExp(
        String.raw`^InputError: .*config\.json asks for the architecture LlamaForCausalLM, which is not supported; ` +
          'supported are LlamaForSequenceClassification, ',
      ),
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
});

test('a padding token without an embedding in the ONNX file is reported with the name of the file', async () => {
  const target = fresh('onnx-reward', { pad_token_id: 2 ** 31 });
  const model = await openRewardModel(target, THREADS);
  const rewards = model.rewards([{ ...rows[1], answers: ['a', 'b '.repeat(50)] }], 'cut');
  await expect(rewards).rejects.toThrow(InputError);
  await expect(rewards).rejects.toThrow(join(target, 'model.onnx'));
  await model.close();
});

test('an error in a row names the row by its id', async () => {
  const target = fresh('llama');
  writeFileSync(
    join(target, 'chat_template.jinja'),
    '{% if messages[0].content == "No" %}{{ raise_exception("no") }}{% endif %}' +
      '{% for message in messages %}{{ message.content }}<|end|>{% endfor %}',
  );
  const model = await openRewardModel(target, THREADS);
  await expect(model.rewards([...rows, { id: 'bad', prompt: 'No', answers: ['x'] }], 'cut')).rejects.toThrow(
    /^Prompt "bad": the chat template of /,
  );
  await model.close();
});

/** As transformers cuts them: test/fixtures/rankers/make_context.py. */
const context = readJson<
  Record<'llama' | 'qwen2', { tokens: number[][]; rewards: number[] }> & {
    'onnx-reward': { tokens: number[][]; typeIds: number[][] };
    prompt: string;
    answers: string[];
    limit: number;
  }
>(fixture('rankers/context.json'));
const { prompt, answers, limit } = context;
const long = { id: 'long', prompt, answers };

describe('candidates that are longer than the model reads', () => {
  test.each(['llama', 'qwen2'] as const)(
    'of %s are cut, and get the rewards that transformers computes of the rest',
    async (name) => {
      const model = await openRewardModel(fresh(name, { max_position_embeddings: limit }), THREADS);
      const { scores, cut } = await model.rewards([{ id: 'short', prompt, answers: ['Hi.', 'No.'] }, long], 'cut');
      await model.close();
      expect(difference([scores[1] as number[]], [context[name].rewards])).toBeLessThan(TOLERANCE);
      expect(cut).toBe(2);
    },
  );

  test('are cut as the tokenizer of a pair cuts the second text', () => {
    const tokenizer = openTokenizer(folderOf('onnx-reward'));
    const encode = (answer: string) => encodeExchange(tokenizer, prompt, answer);
    const fitted = answers.map((answer) => fit(encode(answer), () => encode(''), limit, 'cut'));
    expect(fitted.map(({ exchange }) => exchange!.ids)).toEqual(context['onnx-reward'].tokens);
    expect(fitted.map(({ exchange }) => exchange!.typeIds)).toEqual(context['onnx-reward'].typeIds);
    expect(fitted.map(({ isCut }) => isCut)).toEqual([false, true, true]);
  });

  test.each(['llama', 'onnx-reward'])('of %s get no score with tooLong: unjudged', async (name) => {
    const target = fresh(name, { max_position_embeddings: limit });
    limitTokenizer(target, limit);
    const model = await openRewardModel(target, THREADS);
    const { scores, cut } = await model.rewards([long, { id: 'short', prompt, answers: ['Hi.'] }], 'unjudged');
    await model.close();
    expect(scores).toEqual([[expect.any(Number), undefined, undefined], [expect.any(Number)]]);
    expect(cut).toBe(0);
  });

  test.each(['llama', 'onnx-reward'])('of %s get no score if the prompt alone is too long', async (name) => {
    const target = fresh(name, { max_position_embeddings: limit });
    limitTokenizer(target, limit);
    const model = await openRewardModel(target, THREADS);
    const { scores, cut } = await model.rewards([{ id: 'p', prompt: 'word '.repeat(100), answers }, long], 'cut');
    await model.close();
    expect(scores).toEqual([
      [undefined, undefined, undefined],
      [expect.any(Number), expect.any(Number), expect.any(Number)],
    ]);
    expect(cut).toBe(2);
  });

  test('the limit of an ONNX model is the number of its positions if its tokenizer has no limit', async () => {
    const target = fresh('onnx-reward', { max_position_embeddings: 40, model_type: 'bert' });
    limitTokenizer(target, 1e30);
    const roberta = fresh('onnx-reward', {
      max_position_embeddings: limit + 2,
      model_type: 'roberta',
      pad_token_id: 1,
    });
    limitTokenizer(roberta, 1e30);
    for (const [folder, count] of [
      [target, 1],
      [roberta, 2],
    ] as const) {
      const model = await openRewardModel(folder, THREADS);
      const between = 'word word word word word';
      const { cut } = await model.rewards([{ id: 'p', prompt, answers: [answers[1], between] }], 'cut');
      await model.close();
      expect(cut, folder).toBe(count);
    }
  });
});

/** Sets the longest sequence of a tokenizer. */
function limitTokenizer(folder: string, length: number): void {
  const file = join(folder, 'tokenizer_config.json');
  const config = JSON.parse(readFileSync(file, 'utf8')) as object;
  writeFileSync(file, JSON.stringify({ ...config, model_max_length: length }));
}
