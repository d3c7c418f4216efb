/** Templates that would take forever, or all memory. */
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { InputError } from '../../../data/errors.ts';
import { JinjaTemplate } from '../../../engine/tokenizer/jinja/template.ts';
import { loadTokenizer } from '../../../engine/tokenizer/tokenizer.ts';
import { temporaryFolder } from '../../temporary.ts';
import { tinyModel } from '../../tiny-model.ts';

const folder = temporaryFolder();
const model = tinyModel(join(folder, 'model'));
const after = '{% for message in messages %}{{ message.content }}<end>{% endfor %}';

/** What becomes of a model with a template that does this first. */
function outcome(name: string, template: string): string {
  const copy = join(folder, name);
  cpSync(model, copy, { recursive: true });
  writeFileSync(join(copy, 'chat_template.jinja'), template + after);
  try {
    loadTokenizer(copy).encodePrompt('Hi');
    return 'rendered';
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    const { message } = error as Error;
    expect(message).toContain(join(copy, 'chat_template.jinja'));
    return message.split('chat_template.jinja ')[1];
  }
}

const doubling = (what: string) =>
  `{% set ns = namespace(x=${what}) %}{% for i in range(100) %}{% set ns.x = ns.x + ns.x %}{% endfor %}`;
const counting = (depth: number): string =>
  depth === 0 ? '' : `{% for i in range(100000) %}${counting(depth - 1)}{% endfor %}`;

test.each([
  [
    'a range of 10^9',
    '{% for i in range(1000000000) %}{% endfor %}',
    'refuses the conversation: Range too big. The sandbox blocks ranges larger than MAX_RANGE (100000)',
  ],
  ['a text that doubles', doubling('"x"'), 'makes a text of more than 16777216 characters: simplify its loops.'],
  ['a list that doubles', doubling('[1]'), 'takes too much memory: simplify its loops.'],
  ['a wide text', '{{ "%999999999d" % 1 }}', 'makes a text of more than 16777216 characters: simplify its loops.'],
  ['a text many times', '{{ "ab" * 999999999 }}', 'makes a text of more than 16777216 characters: simplify its loops.'],
  ['a batch', '{{ [1]|batch(999999999, 0)|list }}', 'makes a list of more than 16777216 items: simplify its loops.'],
  ['a large power', '{{ 9 ** 99999 }}', 'refuses the conversation: the result of ** is too large'],
  [
    'a macro that calls itself',
    '{% macro f(x) %}{{ f(x.strip("a")) }}{% endmacro %}{{ f("a") }}',
    'is nested too deep: simplify its expressions and macros.',
  ],
])('%s is refused', (name, template, message) => {
  expect(outcome(name, template)).toBe(message);
});

// By the clock of the process: this one computes for 5 s.
test('loops in loops end', () => {
  expect(outcome('loops', counting(3))).toBe('did not end in 5 s: simplify its loops.');
});

const render = (source: string) => new JinjaTemplate(source).render({}).text;

test('what a template does within its limits is as ever', () => {
  // As jinja2 3.1.6 in transformers' environment has them.
  expect(render('{{ range(4)|list }}{{ range(2, 9, 3)|list }}{{ range(5, 0, -2)|list }}{{ range(3, 1)|list }}')).toBe(
    '[0, 1, 2, 3][2, 5, 8][5, 3, 1][]',
  );
  expect(render('{% for i in range(100000) %}{% if loop.last %}{{ i }}{% endif %}{% endfor %}')).toBe('99999');
  expect(render('{% set range = 7 %}{{ range }}')).toBe('7');
});
