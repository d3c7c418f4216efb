/** Models of architectures that only the torch backend computes: everything in Node takes them (see test/fixtures/architectures). */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { InputError } from '../../../data/errors.ts';
import { LocalEngine } from '../../../engine/onnx/engine.ts';
import { isAdapterChanged } from '../../../engine/onnx/training/change.ts';
import { loraParameterCount, parameterCount } from '../../../engine/estimate.ts';
import { readModelConfig } from '../../../engine/model-files/config.ts';
import { readDimensions } from '../../../engine/model-files/dimensions.ts';
import { layersOf } from '../../../engine/model-files/linear-layers.ts';
import { freshAdapter, readAdapter, writeAdapter } from '../../../engine/model-files/lora.ts';
import { openModelFolder } from '../../../engine/model-files/model.ts';
import { openSafetensors, readTensorF32 } from '../../../engine/model-files/safetensors.ts';
import { loraSchema } from '../../../engine/protocol/settings.ts';
import { openPolicyFiles } from '../../../engine/tokens/policy.ts';
import { temporaryFolder } from '../../temporary.ts';
import { fixture, readJson, undisturbed } from '../reference-case.ts';

/** What transformers and PEFT say. */
interface Expected {
  architecture: string;
  vocabSize: number;
  maxPositions: number;
  eosIds: number[];
  parameters: number;
  /** [out, in] of the layers of all-linear. */
  linear: Record<string, [number, number]>;
  /** Sum and sum of squares of each weight of the merged model. */
  merged: Record<string, [sum: number, squares: number]>;
}

const folder = temporaryFolder();
const all = Object.entries(readJson<Record<string, Expected>>(fixture('architectures/expected.json')));
const engine = new LocalEngine();
afterAll(() => engine.close());
const modelOf = (name: string) => fixture(`architectures/${name}/model`);
const adapterOf = (name: string) => fixture(`architectures/${name}/adapter`);
const allLinear = loraSchema.parse({ rank: 2, targets: ['all-linear'] });

describe.each(all)('%s:', (name, expected) => {
  const opened = () => openModelFolder(modelOf(name));

  test('its configuration', () => {
    const { architecture, vocabSize, maxPositions, eosIds } = expected;
    expect(opened().config).toMatchObject({ architecture, vocabSize, maxPositions, eosIds });
    expect(parameterCount(readDimensions(modelOf(name)))).toBe(expected.parameters);
  });

  test("its linear layers are those of PEFT's all-linear", () => {
    const layers = layersOf(opened());
    expect(Object.fromEntries(layers)).toEqual(expected.linear);
    const matrices = Object.values(expected.linear).reduce((sum, [out, inputs]) => sum + 2 * (out + inputs), 0);
    expect(loraParameterCount(readDimensions(modelOf(name)), allLinear)).toBe(matrices);
  });

  test("a fresh adapter has PEFT's matrices, changes nothing, and is read again", () => {
    const [model, written] = [opened(), join(folder, `fresh-${name}`)];
    const fresh = freshAdapter(layersOf(model), allLinear, 7);
    writeAdapter(written, fresh);
    const [ours, theirs] = [written, adapterOf(name)].map((of) =>
      openSafetensors(join(of, 'adapter_model.safetensors')),
    );
    const shapes = (of: typeof ours) => [...of].map(([key, { shape }]) => [key, ...shape].join(' ')).sort();
    expect(shapes(ours)).toEqual(shapes(theirs));
    const read = readAdapter(written, layersOf(model));
    expect(read).toEqual(fresh);
    expect(isAdapterChanged(model, fresh, read)).toBe(false);
    expect(isAdapterChanged(model, fresh, readAdapter(adapterOf(name), layersOf(model)))).toBe(true);
  });

  test("exported with an adapter, it has the weights of PEFT's merge_and_unload", async () => {
    const target = join(folder, `merged-${name}`);
    await engine.run(
      'export',
      { policy: { model: modelOf(name), adapter: adapterOf(name) }, outDir: target },
      undisturbed,
    );
    const weights = openSafetensors(join(target, 'model.safetensors'));
    expect([...weights.keys()].sort()).toEqual(Object.keys(expected.merged).sort());
    for (const [key, [sum, squares]] of Object.entries(expected.merged)) {
      const values = [...readTensorF32(weights.get(key)!)];
      expect(
        values.reduce((total, x) => total + x, 0),
        key,
      ).toBeCloseTo(sum, 4);
      expect(
        values.reduce((total, x) => total + x * x, 0),
        key,
      ).toBeCloseTo(squares, 4);
    }
    const [config, source] = [target, modelOf(name)].map((of) => readJson<object>(join(of, 'config.json')));
    expect(config).toEqual({ ...source, dtype: 'float32' });
  });

  test('the onnx backend refuses it, in one sentence', async () => {
    const rows = [{ prompt_input_ids: [1], response_input_ids: [2] }];
    await expect(engine.run('score', { policy: { model: modelOf(name) }, rows }, undisturbed)).rejects.toThrow(
      new InputError(
        `${join(modelOf(name), 'config.json')} asks for the architecture ${expected.architecture}, which backend: onnx does not ` +
          'support (supported are LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM): ' +
          'set backend: torch and sample.backend: vllm, or use another model.',
      ),
    );
  });
});

test('a layer that the architecture does not have is named, with those that it has', () => {
  const layers = layersOf(openModelFolder(modelOf('phi3')));
  expect(() => freshAdapter(layers, loraSchema.parse({}), 0)).toThrow(
    new InputError(
      'the model has no linear layer "q_proj" (lora.targets): ' +
        'name some of o_proj, down_proj, gate_up_proj, qkv_proj, or set lora.targets: [all-linear].',
    ),
  );
  const own = freshAdapter(layers, loraSchema.parse({ targets: ['qkv_proj', 'model.layers.1.mlp.down_proj'] }), 0);
  expect([...own.matrices.keys()]).toEqual([
    'model.layers.0.self_attn.qkv_proj',
    'model.layers.1.mlp.down_proj',
    'model.layers.1.self_attn.qkv_proj',
  ]);
});

test('a PEFT adapter of some of the blocks, whatever their name', () => {
  const [source, target] = [adapterOf('gptneox'), join(folder, 'second-block')];
  mkdirSync(target);
  const file = join(target, 'adapter_config.json');
  const config = readJson<object>(join(source, 'adapter_config.json'));
  const targets = { target_modules: ['dense'], layers_to_transform: [1], layers_pattern: 'layers' };
  writeFileSync(file, JSON.stringify({ ...config, ...targets }));
  writeFileSync(join(target, 'adapter_model.safetensors'), readFileSync(join(source, 'adapter_model.safetensors')));
  const layers = layersOf(openModelFolder(modelOf('gptneox')));
  // It has matrices of layers that the configuration does not name.
  expect(() => readAdapter(target, layers)).toThrow(/has a matrix "base_model\.model\.gpt_neox\.layers\.0\./);
});

test('a policy is opened without a backend, and a model of texts and images is refused', () => {
  const policy = { model: modelOf('gemma3'), adapter: adapterOf('gemma3') };
  expect(openPolicyFiles(policy).adapter!.matrices.size).toBe(14);
  const target = join(folder, 'images');
  mkdirSync(target);
  writeFileSync(
    join(target, 'config.json'),
    JSON.stringify({ architectures: ['Gemma3ForConditionalGeneration'], text_config: {} }),
  );
  expect(() => readModelConfig(target)).toThrow(
    'asks for a model of texts and images (text_config), which is not supported',
  );
});

test.each(['BOOL', 'U8'])(
  'attention masks in the files, as Pythia has them (%s), are ignored as by transformers',
  (dtype) => {
    const [source, target] = [modelOf('gptneox'), join(folder, `masks-${dtype}`)];
    mkdirSync(target);
    copyFileSync(join(source, 'config.json'), join(target, 'config.json'));
    // The second shard has the masks alone.
    const [weights, masks] = [1, 2].map((shard) => `model-0000${shard}-of-00002.safetensors`);
    copyFileSync(join(source, 'model.safetensors'), join(target, weights));
    const name = 'gpt_neox.layers.0.attention.bias';
    const header = Buffer.from(JSON.stringify({ [name]: { dtype, shape: [1, 1, 4, 4], data_offsets: [0, 16] } }));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    writeFileSync(join(target, masks), Buffer.concat([length, header, Buffer.alloc(16, 1)]));
    const names = [...openModelFolder(source).tensors.keys()];
    const map = { ...Object.fromEntries(names.map((tensor) => [tensor, weights])), [name]: masks };
    writeFileSync(join(target, 'model.safetensors.index.json'), JSON.stringify({ weight_map: map }));
    expect([...openModelFolder(target).tensors.keys()]).toEqual(names);
  },
);
