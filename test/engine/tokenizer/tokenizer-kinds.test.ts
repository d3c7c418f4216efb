/** Tokenizers built as those of well-known models are, against transformers: test/fixtures/tokenizers/make_tokenizers.py. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import type { Message } from '../../../data/records.ts';
import { loadTokenizer } from '../../../engine/tokenizer/tokenizer.ts';

const folder = new URL('../../fixtures/tokenizers/', import.meta.url).pathname;
const read = (name: string) => JSON.parse(gunzipSync(readFileSync(folder + name)).toString()) as unknown;

interface Expected {
  /** The token that ends a turn, and whether the template takes a system message. */
  end: string;
  system: boolean;
  /** Of the i-th text as an answer: hashes of ids and of texts. */
  prompt: string[];
  response: string[];
  text: string[];
  decoded: string[];
  random: string[];
  plain: string[];
  first: number[];
  is_prefix: number[];
  noise: number[][];
  examples: { i: number; prompt_input_ids: number[]; response_input_ids: number[]; decoded: string }[];
}

const texts = read('texts.json.gz') as string[];
const at = (i: number) => texts.at(i % texts.length)!;
const hashOf = (value: unknown) => createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 8);

const say = (role: string, content: string) => ({ role, content });

/** The i-th text answers the one before it; some have a system message, some a history. */
function conversation(i: number, system: boolean): Message[] {
  return [
    ...(system && i % 3 === 0 ? [say('system', at(i + 7))] : []),
    ...(i % 5 === 0 ? [say('user', at(i + 3)), say('assistant', at(i + 4))] : []),
    say('user', at(i - 1)),
  ];
}

test('the texts are 2,000', () => {
  expect(texts).toHaveLength(2000);
});

const OF_SENTENCEPIECE = ['llama2', 'mistral', 'zephyr', 'vicuna', 'gemma', 'phi3'];
const OF_BYTES = ['llama3', 'qwen2', 'qwen3', 'smollm2', 'olmo2', 'falcon', 'stablelm', 'granite', 'phi4'];

describe.each(OF_SENTENCEPIECE.concat(OF_BYTES))('%s', (kind) => {
  const tokenizer = loadTokenizer(folder + kind);
  const expected = read(`${kind}/expected.json.gz`) as Expected;
  const exchanges = texts.map((text, i) => tokenizer.encodeExchange(conversation(i, expected.system), [text]));
  /** Which texts differ from what transformers makes of them. */
  const wrong = (
    key: 'prompt' | 'response' | 'text' | 'decoded' | 'random' | 'plain' | 'first' | 'is_prefix',
    of: (i: number) => unknown,
  ) => texts.flatMap((text, i) => (of(i) === expected[key][i] ? [] : [text]));

  test('prompts', () => {
    expect(wrong('prompt', (i) => hashOf(tokenizer.encodePrompt(conversation(i, expected.system))))).toEqual([]);
  });

  test('answers, encoded with their prompts and split as TRL does', () => {
    expect(wrong('response', (i) => hashOf(exchanges[i].responses[0]))).toEqual([]);
    expect(wrong('first', (i) => exchanges[i].responses[0][0])).toEqual([]);
    expect(wrong('is_prefix', (i) => Number(exchanges[i].isPrefix))).toEqual([]);
  });

  test('texts without a template', () => {
    expect(wrong('plain', (i) => hashOf(tokenizer.encodeText(at(i))))).toEqual([]);
  });

  test('decoding: answers, conversations, and tokens that no text has', () => {
    expect(wrong('text', (i) => hashOf(tokenizer.decode(exchanges[i].responses[0])))).toEqual([]);
    expect(
      wrong('decoded', (i) => hashOf(tokenizer.decode([...exchanges[i].prompt, ...exchanges[i].responses[0]]))),
    ).toEqual([]);
    expect(wrong('random', (i) => hashOf([expected.noise[i], tokenizer.decode(expected.noise[i])]))).toEqual([]);
  });

  test('tokens that are written out', () => {
    for (const { i, prompt_input_ids, response_input_ids, decoded } of expected.examples) {
      expect(exchanges[i].prompt).toEqual(prompt_input_ids);
      expect(exchanges[i].responses).toEqual([response_input_ids]);
      expect(tokenizer.decode([...prompt_input_ids, ...response_input_ids])).toBe(decoded);
    }
  });
});
