/** PEFT's adapters: log-probabilities as PEFT gives them, or a refusal (see test/fixtures/adapters). */
import { cpSync, mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { InputError } from '../../../data/errors.ts';
import { LocalEngine } from '../../../engine/onnx/engine.ts';
import { layersOf } from '../../../engine/model-files/linear-layers.ts';
import { openLlamaFolder, openModelFolder } from '../../../engine/model-files/model.ts';
import { mergeAdapter, writeModel } from '../../../engine/onnx/model/export.ts';
import { readAdapter, writeAdapter } from '../../../engine/model-files/lora.ts';
import { openSafetensors, readTensorF32, writeSafetensors } from '../../../engine/model-files/safetensors.ts';
import { temporaryFolder } from '../../temporary.ts';
import { fixture, readJson, undisturbed } from '../reference-case.ts';

const folder = temporaryFolder();
const model = fixture('reference/llama/model');
const layers = layersOf(openModelFolder(model));
const expected = readJson<{ prompt: number[]; response: number[]; loaded: Record<string, number> }>(
  fixture('adapters/expected.json'),
);
const engine = new LocalEngine();
afterAll(() => engine.close());

async function logp(policy: { model: string; adapter?: string }): Promise<number> {
  const rows = [{ prompt_input_ids: expected.prompt, response_input_ids: expected.response }];
  return (await engine.run('score', { policy, rows, threads: 1 }, undisturbed))[0].logp;
}

let count = 0;
/** A copy of an adapter, with another configuration and other files. */
function changed(changes: object, edit: (target: string) => void = () => {}, name = 'plain'): string {
  const target = join(folder, `adapter-${count++}`);
  cpSync(fixture(`adapters/loaded/${name}`), target, { recursive: true });
  const file = join(target, 'adapter_config.json');
  writeFileSync(file, JSON.stringify({ ...readJson<object>(file), ...changes }));
  edit(target);
  return target;
}

/** Its matrices, all but those that `drop` names, and one more. */
function rewritten(target: string, { drop, add }: { drop?: RegExp; add?: string }) {
  const file = join(target, 'adapter_model.safetensors');
  const kept = [...openSafetensors(file).values()].filter(({ name }) => !drop?.test(name));
  const tensors = kept.map((entry) => ({
    name: entry.name,
    dtype: 'F32' as const,
    shape: entry.shape,
    data: readTensorF32(entry),
  }));
  if (add !== undefined) tensors.push({ name: add, dtype: 'F32', shape: [2], data: new Float32Array(2) });
  writeSafetensors(file, tensors);
}

const renameWeights = (target: string, name: string) =>
  renameSync(join(target, 'adapter_model.safetensors'), join(target, name));

describe('an adapter has the log-probabilities that PEFT gives it:', () => {
  test.each(Object.entries(expected.loaded))('%s', async (name, wanted) => {
    const adapter = fixture(`adapters/loaded/${name}`);
    expect(await logp({ model, adapter })).toBeCloseTo(wanted, 3);
    // Written and read again, it is the same.
    const written = join(folder, `written-${name}`);
    const read = readAdapter(adapter, layers);
    writeAdapter(written, read);
    expect(readAdapter(written, layers).matrices).toEqual(read.matrices);
  });

  test.each([
    ['rank-by-regex', { alpha_pattern: { '\\A.*down_proj\\Z': 5 } }],
    ['excluded-by-regex', { exclude_modules: '\\Amodel\\.layers\\.2{,1}\\.[^\\W\\]]*.*\\Z' }],
    ['excluded-by-regex', { exclude_modules: '(?P<name>model)\\.layers\\.2\\.(?:(?P=name))?.*' }],
  ])('%s, whose pattern Python and JavaScript read differently: %j', async (name, changes) => {
    expect(await logp({ model, adapter: changed(changes, () => {}, name) })).toBeCloseTo(expected.loaded[name], 3);
  });

  test('merged into its model, every layer by its own scale', async () => {
    const target = join(folder, 'merged');
    const read = readAdapter(fixture('adapters/loaded/eva'), layers);
    await writeModel(target, model, await mergeAdapter(openLlamaFolder(model), read));
    expect(await logp({ model: target })).toBeCloseTo(expected.loaded['eva'], 3);
  });
});

describe('an adapter is refused by the name of what changes its numbers:', () => {
  const convert =
    'convert it to plain LoRA with PEFT (save_pretrained with path_initial_model_for_weight_conversion), or ';
  const base = (init: string, remedy = convert) =>
    `an adapter with init_lora_weights "${init}" belongs on base weights that its initialization has changed, ` +
    `not on the model's: ${remedy}merge it into its model with PEFT.`;
  const initializations = ['pissa', 'pissa_niter_4', 'olora'];

  test.each(readdirSync(fixture('adapters/refused')))('%s, as PEFT writes it', (name) => {
    const target = changed({}, (to) =>
      cpSync(fixture(`adapters/refused/${name}/adapter_config.json`), join(to, 'adapter_config.json')),
    );
    const problem = initializations.includes(name)
      ? base(name)
      : `"${name}" is not supported; merge this adapter into its model with PEFT.`;
    expect(() => readAdapter(target, layers)).toThrow(
      new InputError(`${join(target, 'adapter_config.json')}: ${problem}`),
    );
  });

  test.each([
    ['CorDA', { init_lora_weights: 'corda' }, base('corda')],
    ['LoRA-GA', { init_lora_weights: 'lora_ga' }, base('lora_ga')],
    ['LoftQ, which PEFT cannot convert', { init_lora_weights: 'loftq' }, base('loftq', '')],
    ['an initialization that PEFT will have', { init_lora_weights: 'novel' }, base('novel', '')],
    ['weights as [in, out]', { fan_in_fan_out: true }, '"fan_in_fan_out" is not supported'],
    ['QA-LoRA', { use_qalora: true }, '"use_qalora" is not supported'],
    ['Megatron', { megatron_config: { a: 1 } }, '"megatron_config" is not supported'],
    ['Arrow', { arrow_config: { top_k: 2 } }, '"arrow_config" is not supported'],
    [
      'a setting that PEFT will have',
      { use_novel: true },
      '"use_novel" is not supported; remove it if it has no effect, or merge',
    ],
    ['another kind', { peft_type: 'IA3' }, '"peft_type" is "IA3", which is not supported: only LORA is.'],
    ['a pattern of Python alone', { target_modules: '(?i:q_proj)(?<=x)(?P=a)\\Z(' }, 'cannot be read: name the layers'],
  ])('%s', (_, changes, problem) => {
    const target = changed(changes);
    expect(() => readAdapter(target, layers)).toThrow(InputError);
    expect(() => readAdapter(target, layers)).toThrow(problem);
  });

  test('settings that are off are no reason', () => {
    const off = { use_novel: false, novel_config: null, novel_list: [], enable_lora: null, velora_config: { rank: 1 } };
    expect(readAdapter(changed(off), layers).matrices.size).toBe(9);
  });
});

describe('an adapter is refused whose matrices', () => {
  const prefix = 'base_model.model.model.layers.';
  test.each([
    [
      'include a magnitude of DoRA',
      { add: `${prefix}0.self_attn.q_proj.lora_magnitude_vector` },
      {},
      'has a matrix "base_model.model.model.layers.0.self_attn.q_proj.lora_magnitude_vector", ' +
        'which its adapter_config.json or the model does not have',
    ],
    [
      'include an embedding',
      { add: 'base_model.model.model.embed_tokens.lora_embedding_A' },
      {},
      'has a matrix "base_model.model.model.embed_tokens.lora_embedding_A"',
    ],
    [
      'are of a layer that it does not target',
      {},
      { target_modules: ['q_proj', 'v_proj'] },
      'mlp.down_proj.lora_A.weight", which its',
    ],
    [
      'are of a layer that it excludes',
      {},
      { exclude_modules: 'model.layers.1.self_attn.v_proj' },
      'has a matrix "base_model.model.model.layers.1.self_attn.v_proj.lora_A.weight"',
    ],
    [
      'are missing',
      { drop: /layers\.1\.mlp\.down_proj/ },
      {},
      'lacks the matrix "base_model.model.model.layers.1.mlp.down_proj.lora_A.weight"',
    ],
    [
      'are half missing',
      { drop: /layers\.1\.mlp\.down_proj\.lora_B/ },
      {},
      'lacks the matrix "base_model.model.model.layers.1.mlp.down_proj.lora_B.weight"',
    ],
    [
      'are fewer than its layers',
      {},
      { target_modules: ['q_proj', 'v_proj', 'down_proj', 'up_proj'] },
      'lacks the matrix "base_model.model.model.layers.0.mlp.up_proj.lora_A.weight"',
    ],
    [
      'have another rank',
      {},
      { rank_pattern: { q_proj: 1 } },
      'does not fit the model: "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight" is [2,48], the model and adapter_config.json need [1,48]',
    ],
  ])('%s', (_, edit, changes, problem) => {
    const target = changed(changes, (to) => rewritten(to, edit));
    expect(() => readAdapter(target, layers)).toThrow(InputError);
    expect(() => readAdapter(target, layers)).toThrow(problem);
  });

  test('lie in a pickle, or nowhere', () => {
    const pickled = changed({}, (to) => renameWeights(to, 'adapter_model.bin'));
    expect(() => readAdapter(pickled, layers)).toThrow(
      new InputError(
        `${pickled} has its matrices in adapter_model.bin, which is not supported: save the adapter with PEFT as adapter_model.safetensors.`,
      ),
    );
    const nowhere = changed({}, (to) => renameWeights(to, 'other'));
    expect(() => readAdapter(nowhere, layers)).toThrow(
      new InputError(`${nowhere} has no adapter_model.safetensors: use the complete adapter.`),
    );
    const none = join(folder, 'none');
    mkdirSync(none);
    expect(() => readAdapter(none, layers)).toThrow(`${none} is no PEFT adapter: it has no adapter_config.json.`);
  });
});
