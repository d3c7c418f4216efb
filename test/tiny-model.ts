/** A model small enough to train in a test, with all that a policy needs. */
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const reference = fileURLToPath(new URL('fixtures/reference/llama', import.meta.url));

/** Adapters that fit the tiny model, and one that does not. */
export const tinyAdapter = join(reference, 'adapter_init');
export const otherAdapter = fileURLToPath(new URL('fixtures/reference/qwen3/adapter_init', import.meta.url));

// The first three have the ids that the model's config.json names.
const SPECIAL = ['<pad>', '<bos>', '<end>', '<user>', '<assistant>'];
// Printable ASCII but ` ^ | ~, and the byte-level symbols of space and newline: with the special tokens, the model's 97.
const CHARACTERS = [
  ...`!"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]_abcdefghijklmnopqrstuvwxyz{}`,
  'Ġ',
  'Ċ',
];
const VOCABULARY = [...SPECIAL, ...CHARACTERS];

const TEMPLATE =
  '{% for message in messages %}<{{ message.role }}>{{ message.content }}<end>{% endfor %}' +
  '{% if add_generation_prompt %}<assistant>{% endif %}';

/** Settings that leave the tiny model's prompts 240 of its 256 tokens. */
export const tinyLimits = {
  sample: { maxNewTokens: 16 },
  optimize: { maxPromptLength: 512, maxLength: 1024 },
  evaluate: { maxNewTokens: 16 },
};

/**
 * Makes `folder` a Hugging Face model folder: a Llama of 3 layers and 63 thousand random weights, made by PyTorch
 * (test/fixtures/reference), and a tokenizer with a chat template that takes a text character by character (ASCII; the rest is
 * dropped). It takes 256 tokens at most. What it writes is noise, so samples differ and can be preferred.
 * @returns the folder
 */
export function tinyModel(folder: string): string {
  mkdirSync(folder, { recursive: true });
  for (const name of ['config.json', 'generation_config.json', 'model.safetensors']) {
    copyFileSync(join(reference, 'model', name), join(folder, name));
  }
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
  const tokenizer = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: SPECIAL.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: null,
    decoder: byteLevel,
    model: { type: 'BPE', vocab: Object.fromEntries(VOCABULARY.map((token, id) => [token, id])), merges: [] },
  };
  const config = {
    tokenizer_class: 'PreTrainedTokenizerFast',
    bos_token: '<bos>',
    eos_token: '<end>',
    pad_token: '<pad>',
    clean_up_tokenization_spaces: false,
    chat_template: TEMPLATE,
  };
  writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(tokenizer));
  writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify(config));
  return folder;
}

/**
 * Prompts whose constraints a program can check. Of 16 tokens of the tiny model, most follow the first, few the second.
 * @param first number in the prompts' ids and texts, so that sets can be disjoint
 */
export function tinyPrompts(count: number, first = 0) {
  return Array.from({ length: count }, (_, i) => ({
    id: `p${first + i}`,
    prompt: [{ role: 'user', content: `Write ${first + i}.` }],
    instruction_id_list: ['punctuation:no_comma', 'keywords:letter_frequency'],
    kwargs: [{}, { letter: 'e', let_frequency: 1, let_relation: 'at least' }],
  }));
}
