/** Files of a tokenizer and of chat templates that are not what they should be: each is an input error that names its file. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { InputError } from '../../../data/errors.ts';
import { loadTokenizer } from '../../../engine/tokenizer/tokenizer.ts';
import { temporaryFolder } from '../../temporary.ts';
import { tinyModel } from '../../tiny-model.ts';

const folder = temporaryFolder();
const model = tinyModel(join(folder, 'model'));
const tokenizer = JSON.parse(readFileSync(join(model, 'tokenizer.json'), 'utf8')) as Record<string, object>;
const config = JSON.parse(readFileSync(join(model, 'tokenizer_config.json'), 'utf8')) as object;
let count = 0;

/** A copy of the tiny model with another file. */
function withFile(name: string, content: unknown): string {
  const copy = join(folder, String(count++));
  cpSync(model, copy, { recursive: true });
  mkdirSync(join(copy, 'additional_chat_templates'));
  writeFileSync(join(copy, name), typeof content === 'string' ? content : JSON.stringify(content));
  return copy;
}

const withTemplate = (template: unknown) => ({ ...config, chat_template: template });
const looping = '{% for message in messages %}';

describe.each<[file: string, cases: [what: string, content: unknown][]]>([
  [
    'tokenizer.json',
    [
      ['is cut', '{"version": "1.0"'],
      ['is a list', []],
      ['is empty', {}],
      ['has no model', { ...tokenizer, model: null }],
      ['has a model of an unknown kind', { ...tokenizer, model: { type: 'Telepathy' } }],
      ['has no vocabulary', { ...tokenizer, model: { type: 'BPE', merges: [] } }],
      ['has merges of numbers', { ...tokenizer, model: { ...tokenizer['model'], merges: [1, 2] } }],
      ['has an unknown pre-tokenizer', { ...tokenizer, pre_tokenizer: { type: 'Nobody' } }],
      [
        'has a pattern that is none',
        {
          ...tokenizer,
          pre_tokenizer: { type: 'Split', pattern: { Regex: '(' }, behavior: 'Isolated', invert: false },
        },
      ],
      [
        'has a pattern of groups in groups',
        {
          ...tokenizer,
          pre_tokenizer: {
            type: 'Split',
            pattern: { Regex: `${'(?:a|'.repeat(10_000)}b${')'.repeat(10_000)}` },
            behavior: 'Isolated',
            invert: false,
          },
        },
      ],
      ['has an unknown normalizer', { ...tokenizer, normalizer: { type: 'Nobody' } }],
      ['has an unknown decoder', { ...tokenizer, decoder: { type: 'Nobody' } }],
      ['has an unknown post-processor', { ...tokenizer, post_processor: { type: 'Nobody' } }],
      ['has added tokens that are numbers', { ...tokenizer, added_tokens: [1, 2] }],
      ['has an added token without a text', { ...tokenizer, added_tokens: [{ id: 1, content: [7], special: false }] }],
      ['has no added tokens', { ...tokenizer, added_tokens: null }],
      ['splits by Unicode scripts', { ...tokenizer, pre_tokenizer: { type: 'UnicodeScripts' } }],
      ['has an unknown behavior', { ...tokenizer, pre_tokenizer: { type: 'Punctuation', behavior: 'Bold' } }],
      ['has no unknown token for a text', { ...tokenizer, model: { type: 'WordLevel', vocab: {}, unk_token: '?' } }],
      ['has no piece for a text', { ...tokenizer, model: { type: 'Unigram', vocab: [['a', 0]], unk_id: null } }],
      ['has a model with dropout', { ...tokenizer, model: { ...tokenizer['model'], dropout: 0.1 } }],
      [
        'has a table of rules that is none',
        { ...tokenizer, normalizer: { type: 'Precompiled', precompiled_charsmap: '' } },
      ],
    ],
  ],
  [
    'tokenizer_config.json',
    [
      ['is a list', []],
      ['is null', null],
      ['has an added token without a text', { ...config, added_tokens_decoder: { 7: { special: true } } }],
      ['has an added token that is a text', { ...config, added_tokens_decoder: { 7: 'a' } }],
      ['has an added token without an id', { ...config, added_tokens_decoder: { a: { content: 'a' } } }],
      ['has an eos_token that is no text', { ...config, eos_token: { content: 7 } }],
      ['has a template that is a number', withTemplate(5)],
      ['has templates without names', withTemplate([{ template: 'x' }])],
      ['has a template that is no Jinja', withTemplate(looping)],
      ['has a template that fails', withTemplate('{{ raise_exception("no") }}')],
      ['has a template without end', withTemplate('{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}')],
    ],
  ],
  [
    'chat_template.jinja',
    [
      ['is no Jinja', looping],
      ['is nested too deep', `{{ ${'('.repeat(20_000)}1${')'.repeat(20_000)} }}`],
    ],
  ],
  ['special_tokens_map.json', [['is a text', 'eos']]],
  ['added_tokens.json', [['has no ids', { a: 'b' }]]],
])('%s', (file, cases) => {
  test.each(cases)('that %s is refused by its name, in one sentence', (_, content) => {
    const copy = withFile(file, content);
    let failure: unknown;
    try {
      loadTokenizer(copy).encodePrompt([{ role: 'user', content: 'Hi' }]);
    } catch (error) {
      failure = error;
    }
    expect(failure).toBeInstanceOf(InputError);
    expect((failure as Error).message).toContain(join(copy, file));
    expect((failure as Error).message).toMatch(/^[^\n]{1,500}$/);
  });
});

test('of several templates, the one that fails is named', () => {
  const name = 'additional_chat_templates/tool_use.jinja';
  const copy = withFile(name, looping);
  writeFileSync(join(copy, 'chat_template.jinja'), readFileSync('test/smollm2/chat_template.jinja'));
  expect(() => loadTokenizer(copy)).toThrow(join(copy, name));
});

test('a template that was given replaces one that is no Jinja', () => {
  const copy = withFile('chat_template.jinja', looping);
  const template = '{% for message in messages %}{{ message.content }}<end>{% endfor %}';
  expect(loadTokenizer(copy, { template }).encodePrompt('Hi')).toHaveLength('Hi<end>'.length - '<end>'.length + 1);
});

describe('config.json and generation_config.json', () => {
  test.each([
    ['config.json', null],
    ['config.json', '7'],
    ['generation_config.json', null],
    ['generation_config.json', { eos_token_id: 'end' }],
    ['generation_config.json', []],
  ])('%s of %j is refused by its name', (file, content) => {
    const copy = withFile(file, content);
    expect(() => loadTokenizer(copy)).toThrow(InputError);
    expect(() => loadTokenizer(copy)).toThrow(join(copy, file));
  });
});
