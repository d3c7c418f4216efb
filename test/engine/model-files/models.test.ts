/** Folders whose files and config.json do not quite fit each other: as transformers opens them, or refused (see test/fixtures/models). */
import { cpSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { InputError } from '../../../data/errors.ts';
import { LocalEngine } from '../../../engine/onnx/engine.ts';
import { openSafetensors } from '../../../engine/model-files/safetensors.ts';
import { loadTokenizer } from '../../../engine/tokenizer/tokenizer.ts';
import { trainingSchema } from '../../../engine/protocol/settings.ts';
import { temporaryFolder } from '../../temporary.ts';
import { fixture, readJson, undisturbed } from '../reference-case.ts';
import { openLlamaFolder } from '../../../engine/model-files/model.ts';

interface Outcome {
  logps?: number[];
  error?: string;
  random?: string[];
  unused?: string[];
}

const folder = temporaryFolder();
const folderOf = (name: string) => fixture(`models/${name}`);
const { ids, models } = readJson<{ ids: number[]; models: Record<string, Outcome> }>(fixture('models/expected.json'));
const engine = new LocalEngine();
afterAll(() => engine.close());

const logpsOf = async (model: string) => {
  const [scores] = await engine.run('scoreTokens', { policy: { model }, sequences: [ids], threads: 1 }, undisturbed);
  return scores.map(({ logp }) => logp);
};

let count = 0;
/** A copy of a fixture's folder with other settings, files removed or renamed. */
function changed(name: string, changes: object, edit: (target: string) => void = () => {}): string {
  const target = join(folder, `model-${count++}`);
  cpSync(folderOf(name), target, { recursive: true });
  const file = join(target, 'config.json');
  writeFileSync(file, JSON.stringify({ ...readJson<object>(file), ...changes }));
  edit(target);
  return target;
}

const LOADED = [
  'tied-but-different',
  'tied-and-equal',
  'tied-with-the-output-alone',
  'one-file-beside-an-index',
  'sharded',
  'sharded-with-more-than-the-index',
  'with-an-old-buffer',
];
const place = "for which its config.json has no place: use the model's own config.json, or remove the tensor.";
const lacks = (name: string) => `has no tensor "${name}", which its config.json asks for: use a complete download.`;
const REFUSED: Record<string, string> = {
  'tied-with-neither': lacks('model.embed_tokens.weight'),
  'untied-without-the-output': lacks('lm_head.weight'),
  'sharded-with-one-twice':
    'has the tensor "lm_head.weight" twice, in model-00001-of-00002.safetensors and in model-00002-of-00002.safetensors: download the model again.',
  'sharded-with-a-shard-missing': 'model-00002-of-00002.safetensors does not exist: download the complete model.',
  'with-a-stranger': `has a tensor "v_head.summary.weight", ${place}`,
  'with-more-layers': `has a tensor "model.layers.1.input_layernorm.weight", ${place}`,
  'with-fewer-layers': lacks('model.layers.1.input_layernorm.weight'),
  'with-biases': `has a tensor "model.layers.0.self_attn.q_proj.bias", ${place}`,
  'with-more-rows':
    'tensor "model.embed_tokens.weight" is [40,16], but config.json asks for [36,16]: they belong to different models.',
  'with-fewer-rows':
    'tensor "model.embed_tokens.weight" is [40,16], but config.json asks for [44,16]: they belong to different models.',
};

test('every model of the fixture is either opened or refused', () => {
  expect([...LOADED, ...Object.keys(REFUSED)].sort()).toEqual(Object.keys(models));
});

describe('a model has the log-probabilities that transformers gives it:', () => {
  test.each(LOADED)('%s', async (name) => {
    const { logps, unused } = models[name];
    expect(unused).toBeUndefined();
    const found = await logpsOf(folderOf(name));
    expect(found).toHaveLength(logps!.length);
    for (const [i, logp] of found.entries()) expect(logp, `token ${i + 1}`).toBeCloseTo(logps![i], 4);
  });

  test.each(LOADED)('%s, exported and opened again', async (name) => {
    const target = join(folder, `exported-${name}`);
    await engine.run('export', { policy: { model: folderOf(name) }, outDir: target }, undisturbed);
    const [found, before] = [await logpsOf(target), await logpsOf(folderOf(name))];
    expect(found).toEqual(before);
    expect(readdirSync(target).sort()).toEqual(['config.json', 'model.safetensors']);
    const { tieEmbeddings } = openLlamaFolder(folderOf(name)).config;
    expect(readJson(join(target, 'config.json'))).toMatchObject({ tie_word_embeddings: tieEmbeddings });
  });

  test('embeddings that differ are trained each by itself', async () => {
    const [model, outDir] = [folderOf('tied-but-different'), join(folder, 'trained')];
    const rows = [{ prompt_input_ids: ids.slice(0, 3), chosen_input_ids: [33, 2], rejected_input_ids: [9, 2] }];
    const training = trainingSchema.parse({ full: true, learningRate: 1e-2, batchSize: 1 });
    const objective = { name: 'dpo' as const, beta: 0.1 };
    await engine.run(
      'optimize',
      { policy: { model }, reference: { model }, rows, objective, training, seed: 0, outDir, threads: 1 },
      undisturbed,
    );
    const tensors = openSafetensors(join(outDir, 'model.safetensors'));
    const bytes = (name: string) =>
      readFileSync(tensors.get(name)!.file).subarray(
        tensors.get(name)!.offset,
        tensors.get(name)!.offset + tensors.get(name)!.length,
      );
    expect(bytes('lm_head.weight').equals(bytes('model.embed_tokens.weight'))).toBe(false);
    expect(openLlamaFolder(outDir).config.tieEmbeddings).toBe(false);
  });
});

describe('a model is refused in one sentence that is', () => {
  test.each(Object.entries(REFUSED))('%s', (name, problem) => {
    expect(models[name].error ?? models[name].random ?? models[name].unused ?? 'the last of two').toBeDefined();
    expect(() => openLlamaFolder(folderOf(name))).toThrow(InputError);
    expect(() => openLlamaFolder(folderOf(name))).toThrow(problem);
  });

  test.each([
    ['quantized', { quantization_config: { quant_method: 'fp8' } }, 'asks for quantized weights (quantization_config)'],
    [
      'in a file of another name',
      { transformers_weights: 'other.safetensors' },
      'asks for weights in a file of another name (transformers_weights)',
    ],
    [
      'partly rotary',
      { rope_parameters: { rope_type: 'linear', factor: 2, rope_theta: 1e4, partial_rotary_factor: 0.5 } },
      'asks for a partial_rotary_factor',
    ],
  ])('%s', (_, changes, problem) => {
    const target = changed('sharded', changes);
    expect(() => openLlamaFolder(target)).toThrow(InputError);
    expect(() => openLlamaFolder(target)).toThrow(problem);
  });

  test('pickled, without weights, or with an adapter among its files', () => {
    const pickled = changed('tied-and-equal', {}, (to) =>
      renameSync(join(to, 'model.safetensors'), join(to, 'pytorch_model.bin')),
    );
    expect(() => openLlamaFolder(pickled)).toThrow(
      new InputError(
        `${pickled} has its weights in pytorch_model.bin, which is not supported: save the model with transformers as model.safetensors.`,
      ),
    );
    const empty = changed('tied-and-equal', {}, (to) => rmSync(join(to, 'model.safetensors')));
    expect(() => openLlamaFolder(empty)).toThrow(
      new InputError(`${join(empty, 'model.safetensors')} does not exist: download the complete model.`),
    );
    // transformers would open the base model that the adapter names, with the adapter.
    const adapted = changed('sharded', {}, (to) => writeFileSync(join(to, 'adapter_config.json'), '{}'));
    expect(() => openLlamaFolder(adapted)).toThrow(
      new InputError(
        `${adapted} has an adapter_config.json: give a PEFT adapter as the adapter, and its base model, in a folder without one, as the model.`,
      ),
    );
  });
});

describe('a tokenizer with more tokens than the embedding has rows', () => {
  // Its last tokens are "~", "Ġ" and "Ċ", a space and a newline, with the ids 99 to 101.
  const target = changed('sharded', { vocab_size: 101 }, (to) =>
    cpSync(fixture('model/tokenizer'), to, { recursive: true }),
  );
  const tokenizer = loadTokenizer(target);
  const problem = new InputError(
    `the token "Ċ" of the tokenizer has the id 101, but the embedding of ${target} has only 101 rows: use the model's own tokenizer, or resize the embedding (resize_token_embeddings).`,
  );

  test('is used for texts that have none of these', () => {
    expect(tokenizer.encodeText('Hello there')).toEqual(
      readJson<{ plain: number[] }>(fixture('model/tokens.json')).plain,
    );
  });

  test('is refused for one that has', () => {
    expect(() => tokenizer.encodeText('Hello\nthere')).toThrow(problem);
    expect(() => tokenizer.encodePrompt('Hello')).toThrow(problem);
  });
});
