import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { InputError } from '../../../data/errors.ts';
import { loadTokenizer } from '../../../engine/tokenizer/tokenizer.ts';
import { temporaryFolder } from '../../temporary.ts';
import { fixture, readJson } from '../reference-case.ts';

const expected = readJson<Record<'plain' | 'prompt' | 'conversation', number[]>>(fixture('model/tokens.json'));
const [BOS, EOS, END] = [1, 2, 5];
const folder = temporaryFolder();
let count = 0;

/** A model folder with the tokenizer that transformers has written. */
function model(template?: string): string {
  const target = join(folder, String(count++));
  cpSync(fixture('model/tokenizer'), target, { recursive: true });
  const config = readJson<object>(fixture('reference/llama/model/config.json'));
  writeFileSync(join(target, 'config.json'), JSON.stringify({ ...config, vocab_size: 102 }));
  if (template !== undefined) writeFileSync(join(target, 'chat_template.jinja'), template);
  return target;
}

function withoutTemplate(): string {
  const target = model();
  rmSync(join(target, 'chat_template.jinja'));
  return target;
}

const user = { role: 'user', content: 'Say hi, twice.' };
const answer = { role: 'assistant', content: 'Hi. Hi!' };
const given = readFileSync(join(fixture('model/tokenizer'), 'chat_template.jinja'), 'utf8');

describe('with a chat template that writes BOS itself', () => {
  const tokenizer = loadTokenizer(model());

  test("a prompt's tokens are transformers', BOS once", () => {
    expect(tokenizer.encodePrompt([user])).toEqual(expected.prompt);
    expect(tokenizer.encodePrompt('Say hi, twice.')).toEqual(expected.prompt);
    expect(expected.prompt.filter((id) => id === BOS)).toHaveLength(1);
  });

  test("prompt and response are transformers' conversation up to the end-of-turn token, which comes once", () => {
    const { prompt, responses, isPrefix } = tokenizer.encodeExchange([user], [[answer]]);
    const [response] = responses;
    expect([prompt, isPrefix]).toEqual([expected.prompt, true]);
    // The template's newline behind its end-of-turn token is nothing that the policy is to write.
    expect([...expected.prompt, ...response]).toEqual(expected.conversation.slice(0, -1));
    expect(response.filter((id) => id === END)).toHaveLength(1);
    expect(response.at(-1)).toBe(END);
    expect(tokenizer.encodeExchange('Say hi, twice.', ['Hi. Hi!']).responses).toEqual([response]);
  });

  test('the end-of-turn token and EOS end an answer', () => {
    expect(tokenizer.eosIds.toSorted((a, b) => a - b)).toEqual([EOS, END]);
  });

  test('texts come back without special tokens', () => {
    expect(tokenizer.decode([...tokenizer.encodeExchange([user], [[answer]]).responses[0], EOS])).toBe('Hi. Hi!');
  });

  test("a conversation's trained tokens are the assistant's", () => {
    const { ids, trained } = tokenizer.encodeConversation([user, answer]);
    expect(ids).toEqual(expected.conversation.slice(0, -1));
    expect(ids.filter((_, i) => !trained[i])).toEqual(expected.prompt);
  });

  test('nothing ends an answer that was cut', () => {
    const { responses } = tokenizer.encodeExchange([user], ['Hi. Hi!'], { open: true });
    expect([...expected.prompt, ...responses[0], END]).toEqual(expected.conversation.slice(0, -1));
  });
});

test('a template that writes no end of turn gets EOS behind the answer, once', () => {
  const open = loadTokenizer(model(given.replaceAll('<|end|>\n', '')));
  const [response] = open.encodeExchange([user], [[answer]]).responses;
  expect(response.at(-1)).toBe(EOS);
  expect(open.decode(response)).toBe('Hi. Hi!');
  expect(response.filter((id) => id === EOS)).toHaveLength(1);
});

test('a template that refuses a conversation says why', () => {
  const strict = loadTokenizer(
    model(`{% if messages[0].role == 'system' %}{{ raise_exception('No system role') }}{% endif %}${given}`),
  );
  expect(() => strict.encodePrompt([{ role: 'system', content: 'Be brief.' }, user])).toThrow(/No system role/);
});

describe('without a chat template', () => {
  const tokenizer = loadTokenizer(withoutTemplate());

  test("a prompt's tokens are transformers', with the BOS that the tokenizer adds", () => {
    expect(tokenizer.encodePrompt('Hello there')).toEqual(expected.plain);
  });

  test('a response ends with EOS and has no BOS', () => {
    const { prompt, responses } = tokenizer.encodeExchange('Hello ', ['there']);
    expect([...prompt, ...responses[0]]).toEqual([...expected.plain, EOS]);
  });

  test('a conversation is refused', () => {
    expect(() => tokenizer.encodePrompt([user])).toThrow(InputError);
    expect(() => tokenizer.encodePrompt([user])).toThrow(/has no chat template: give a string/);
  });
});

test('a folder without tokenizer.json, or with a damaged one, is named', () => {
  const target = model();
  writeFileSync(join(target, 'tokenizer.json'), '{"version"');
  expect(() => loadTokenizer(target)).toThrow(/tokenizer\.json is not JSON/);
  rmSync(join(target, 'tokenizer.json'));
  expect(() => loadTokenizer(target)).toThrow(
    new InputError(`${target} has no tokenizer.json: texts cannot be tokenized; download it, or give tokenized rows.`),
  );
});
