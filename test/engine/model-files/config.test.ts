import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { InputError } from '../../../data/errors.ts';
import { checkSequenceLength, readModelConfig } from '../../../engine/model-files/config.ts';
import { readLlamaConfig, ropeFrequencies } from '../../../engine/model-files/llama-config.ts';
import { temporaryFolder } from '../../temporary.ts';
import { fixture, readJson } from '../reference-case.ts';

const folder = temporaryFolder();
let count = 0;

function model(config: object, generation?: object): string {
  const target = join(folder, String(count++));
  mkdirSync(target);
  writeFileSync(join(target, 'config.json'), JSON.stringify(config));
  if (generation) writeFileSync(join(target, 'generation_config.json'), JSON.stringify(generation));
  return target;
}

/** As published on the Hugging Face hub, without what says nothing of the computation. */
const published = {
  'meta-llama/Llama-3.2-1B': {
    architectures: ['LlamaForCausalLM'],
    attention_bias: false,
    bos_token_id: 128000,
    eos_token_id: 128001,
    head_dim: 64,
    hidden_act: 'silu',
    hidden_size: 2048,
    intermediate_size: 8192,
    max_position_embeddings: 131072,
    mlp_bias: false,
    num_attention_heads: 32,
    num_hidden_layers: 16,
    num_key_value_heads: 8,
    rms_norm_eps: 1e-5,
    rope_scaling: {
      factor: 32.0,
      high_freq_factor: 4.0,
      low_freq_factor: 1.0,
      original_max_position_embeddings: 8192,
      rope_type: 'llama3',
    },
    rope_theta: 500000.0,
    tie_word_embeddings: true,
    vocab_size: 128256,
  },
  'HuggingFaceH4/zephyr-7b-beta': {
    architectures: ['MistralForCausalLM'],
    bos_token_id: 1,
    eos_token_id: 2,
    hidden_act: 'silu',
    hidden_size: 4096,
    intermediate_size: 14336,
    max_position_embeddings: 32768,
    num_attention_heads: 32,
    num_hidden_layers: 32,
    num_key_value_heads: 8,
    pad_token_id: 2,
    rms_norm_eps: 1e-5,
    rope_theta: 10000.0,
    sliding_window: 4096,
    tie_word_embeddings: false,
    vocab_size: 32000,
  },
  'Qwen/Qwen2.5-0.5B-Instruct': {
    architectures: ['Qwen2ForCausalLM'],
    bos_token_id: 151643,
    eos_token_id: 151645,
    hidden_act: 'silu',
    hidden_size: 896,
    intermediate_size: 4864,
    max_position_embeddings: 32768,
    max_window_layers: 21,
    num_attention_heads: 14,
    num_hidden_layers: 24,
    num_key_value_heads: 2,
    rms_norm_eps: 1e-6,
    rope_theta: 1000000.0,
    sliding_window: 32768,
    tie_word_embeddings: true,
    use_sliding_window: false,
    vocab_size: 151936,
  },
  'Qwen/Qwen3-0.6B': {
    architectures: ['Qwen3ForCausalLM'],
    attention_bias: false,
    bos_token_id: 151643,
    eos_token_id: 151645,
    head_dim: 128,
    hidden_act: 'silu',
    hidden_size: 1024,
    intermediate_size: 3072,
    max_position_embeddings: 40960,
    max_window_layers: 28,
    num_attention_heads: 16,
    num_hidden_layers: 28,
    num_key_value_heads: 8,
    rms_norm_eps: 1e-6,
    rope_scaling: null,
    rope_theta: 1000000,
    sliding_window: null,
    tie_word_embeddings: true,
    use_sliding_window: false,
    vocab_size: 151936,
  },
  'HuggingFaceTB/SmolLM2-135M-Instruct': {
    architectures: ['LlamaForCausalLM'],
    attention_bias: false,
    bos_token_id: 1,
    eos_token_id: 2,
    hidden_act: 'silu',
    hidden_size: 576,
    intermediate_size: 1536,
    max_position_embeddings: 8192,
    mlp_bias: false,
    num_attention_heads: 9,
    num_hidden_layers: 30,
    num_key_value_heads: 3,
    pad_token_id: 2,
    rms_norm_eps: 1e-5,
    rope_interleaved: false,
    rope_scaling: null,
    rope_theta: 100000,
    tie_word_embeddings: true,
    vocab_size: 49152,
  },
};
const llama = published['meta-llama/Llama-3.2-1B'];
const zephyr = published['HuggingFaceH4/zephyr-7b-beta'];

describe('published models are understood:', () => {
  const no = { attentionBias: false, outputBias: false, mlpBias: false, qkNorm: false };
  test.each([
    ['meta-llama/Llama-3.2-1B', { ...no, headDim: 64, kvHeads: 8, tieEmbeddings: true, eosIds: [128001] }],
    [
      'HuggingFaceH4/zephyr-7b-beta',
      { ...no, headDim: 128, kvHeads: 8, tieEmbeddings: false, slidingWindow: 4096, rope: { theta: 10000 } },
    ],
    [
      'Qwen/Qwen2.5-0.5B-Instruct',
      { ...no, attentionBias: true, headDim: 64, kvHeads: 2, tieEmbeddings: true, rope: { theta: 1e6 } },
    ],
    ['Qwen/Qwen3-0.6B', { ...no, qkNorm: true, headDim: 128, kvHeads: 8, tieEmbeddings: true }],
    [
      'HuggingFaceTB/SmolLM2-135M-Instruct',
      { ...no, headDim: 64, kvHeads: 3, layers: 30, tieEmbeddings: true, rope: { theta: 1e5 } },
    ],
  ] as const)('%s', (name, expected) => {
    const config = readLlamaConfig(model(published[name]));
    expect(config).toMatchObject(expected);
    if (!('slidingWindow' in expected)) expect(config.slidingWindow).toBeUndefined();
  });

  test('with the end tokens of generation_config.json', () => {
    expect(readLlamaConfig(model(llama, { eos_token_id: [128001, 128008, 128009] })).eosIds).toEqual([
      128001, 128008, 128009,
    ]);
  });
});

describe('rotary positions', () => {
  const { rope_theta, rope_scaling, ...rest } = llama;
  const rope_parameters = { ...rope_scaling, rope_theta };

  test('are the same in both styles of configuration', () => {
    const older = readLlamaConfig(model(llama));
    expect(readLlamaConfig(model({ ...rest, rope_parameters }))).toEqual(older);
    expect(older.rope).toEqual({
      theta: 500000,
      scaling: { type: 'llama3', factor: 32, lowFreqFactor: 1, highFreqFactor: 4, originalMaxPositions: 8192 },
    });
  });

  test('are those of rope_scaling if both are given, as in transformers', () => {
    const parameters = { rope_type: 'default', rope_theta };
    const both = (scaling: object) =>
      readLlamaConfig(model({ ...rest, rope_theta, rope_parameters: parameters, rope_scaling: scaling }));
    expect(both(rope_scaling!)).toEqual(readLlamaConfig(model(llama)));
    expect(both({}).rope).toEqual({ theta: 500000 });
    expect(() => both({ rope_type: 'yarn', factor: 4 })).toThrow('asks for rope type "yarn"');
  });

  test.each([
    ['Phi-3-mini-128k-instruct', { rope_scaling: { type: 'longrope' }, original_max_position_embeddings: 4096 }],
    ['Phi-4-mini-instruct', { rope_parameters: { rope_type: 'longrope', original_max_position_embeddings: 4096 } }],
  ])('end where the long factors of longrope begin: %s', (_, rope) => {
    const folder = model({ ...rest, architectures: ['Phi3ForCausalLM'], max_position_embeddings: 131072, ...rope });
    expect(readModelConfig(folder).maxPositions).toBe(4096);
  });

  test.each(['llama3', 'linear'])("have transformers' frequencies: %s", (type) => {
    const expected = readJson<Record<string, number[]>>(fixture('model/rope.json'))[type];
    const linear = { rope_type: 'linear', rope_theta: 10000, factor: 4 };
    const config = readLlamaConfig(model({ ...rest, rope_parameters: type === 'linear' ? linear : rope_parameters }));
    const found = ropeFrequencies(config);
    expect(found).toHaveLength(expected.length);
    // transformers computes them in float32.
    expected.forEach((frequency, i) => expect(Math.abs(found[i] / frequency - 1)).toBeLessThan(2e-6));
  });
});

describe('what is not supported is refused by name:', () => {
  test.each([
    ['rope without its factor', { ...llama, rope_scaling: { type: 'linear' } }, 'rope type "linear" without "factor"'],
    ['activation', { ...llama, hidden_act: 'gelu' }, 'the activation gelu'],
    ['head size', { ...llama, hidden_size: 2050, head_dim: null }, '32 heads in 2050 dimensions'],
    ['heads', { ...llama, num_key_value_heads: 5 }, '32 heads over 5 key heads'],
  ])('%s', (_, config, what) => {
    const target = model(config);
    expect(() => readLlamaConfig(target)).toThrow(
      new InputError(
        `${join(target, 'config.json')} asks for ${what}, which backend: onnx does not support: ` +
          'set backend: torch and sample.backend: vllm, or use another model.',
      ),
    );
  });

  test.each<[string, object, string]>([
    ['mixture of experts', { num_local_experts: 8 }, 'a mixture of experts'],
    ['mixture of experts of Qwen', { num_experts: 128 }, 'a mixture of experts'],
    ['T5', { is_encoder_decoder: true }, 'an encoder and a decoder (is_encoder_decoder)'],
    ['BERT', { architectures: ['BertForMaskedLM'] }, 'the masked language model BertForMaskedLM'],
    ['GPT-2', { n_embd: 768 }, "GPT-2's kind of layers (n_embd)"],
    ['quantization', { quantization_config: { quant_method: 'awq' } }, 'quantized weights (quantization_config)'],
  ])('%s, by every backend', (_, changes, what) => {
    const target = model({ ...llama, ...changes });
    expect(() => readModelConfig(target)).toThrow(
      new InputError(`${join(target, 'config.json')} asks for ${what}, which is not supported; use another model.`),
    );
  });

  test('with what is supported of its kind', () => {
    const mixtral = model({ ...llama, architectures: ['MixtralForCausalLM'] });
    expect(() => readLlamaConfig(mixtral)).toThrow(
      'asks for the architecture MixtralForCausalLM, which backend: onnx does not support (supported are LlamaForCausalLM, ' +
        'MistralForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM): set backend: torch and sample.backend: vllm, or use another model.',
    );
    const yarn = model({ ...llama, rope_scaling: { rope_type: 'yarn', factor: 4 } });
    expect(() => readLlamaConfig(yarn)).toThrow(
      'asks for rope type "yarn", which backend: onnx does not support (supported are default, linear, llama3): ',
    );
  });

  test('Mistral has a sliding window where the file does not say', () => {
    const { sliding_window: _, ...rest } = zephyr;
    expect(readLlamaConfig(model(rest)).slidingWindow).toBe(4096);
    expect(readLlamaConfig(model({ ...rest, sliding_window: null })).slidingWindow).toBeUndefined();
  });

  test('sequences beyond the sliding window or the positions', () => {
    const config = readLlamaConfig(model(zephyr));
    expect(() => checkSequenceLength(config, 4096)).not.toThrow();
    expect(() => checkSequenceLength(config, 4097)).toThrow(/longer than the model's sliding window of 4096/);
    expect(() => checkSequenceLength(readLlamaConfig(model(llama)), 131073)).toThrow(
      /longer than the model's 131072 positions/,
    );
  });
});

test('a file that is missing, cut short or wrong is named', () => {
  expect(() => readLlamaConfig(join(folder, 'nowhere'))).toThrow(/nowhere\/config\.json does not exist/);
  const cut = model({});
  writeFileSync(join(cut, 'config.json'), '{"vocab_size": 3');
  expect(() => readLlamaConfig(cut)).toThrow(InputError);
  expect(() => readLlamaConfig(model({ ...llama, hidden_size: 'big' }))).toThrow(/"hidden_size" is wrong/);
});

describe('defaults of the architectures, as transformers has them', () => {
  const qwen2 = published['Qwen/Qwen2.5-0.5B-Instruct'];
  const { head_dim: _, ...qwen3 } = published['Qwen/Qwen3-0.6B'];

  test('a Qwen3 head has 128 dimensions where the file does not say', () => {
    expect(readLlamaConfig(model(qwen3)).headDim).toBe(128);
    expect(readLlamaConfig(model({ ...qwen3, head_dim: 64 })).headDim).toBe(64);
  });

  test.each<[what: string, config: object, window: number | undefined]>([
    ['in the layers from max_window_layers on', { max_window_layers: 21 }, 32768],
    ['in none of fewer layers than max_window_layers', { max_window_layers: 24 }, undefined],
    ['in none of fewer than 28 layers where the file does not say', { max_window_layers: undefined }, undefined],
    [
      'in the layers that layer_types names',
      { max_window_layers: 24, layer_types: ['full_attention', 'sliding_attention'] },
      32768,
    ],
    ['in none where layer_types names none', { max_window_layers: 0, layer_types: ['full_attention'] }, undefined],
    ['of 4096 where the file does not say', { max_window_layers: 0, sliding_window: undefined }, 4096],
    ['in none where it is null', { max_window_layers: 0, sliding_window: null }, undefined],
  ])('Qwen2 has a sliding window %s', (_what, config, window) => {
    const read = readLlamaConfig(model({ ...qwen2, use_sliding_window: true, ...config }));
    expect(read.slidingWindow).toBe(window);
  });
});

test.each(['num_hidden_layers', 'hidden_size', 'num_attention_heads', 'vocab_size', 'intermediate_size', 'head_dim'])(
  'a %s of 10^8 is refused before anything is built of it',
  (name) => {
    expect(() => readLlamaConfig(model({ ...llama, [name]: 1e8 }))).toThrow(
      new RegExp(`"${name}" is wrong \\(Too big`),
    );
  },
);
