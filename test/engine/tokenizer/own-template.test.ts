/** The template that a trained policy takes along: rendered as transformers renders it with its arguments (test/fixtures/own-template). */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { JinjaTemplate } from '../../../engine/tokenizer/jinja/template.ts';
import { ownTemplates } from '../../../engine/tokenizer/template-files.ts';
import { temporaryFolder } from '../../temporary.ts';

interface Case {
  name: string;
  template: string;
  arguments: Record<string, unknown>;
  own: string;
  text: string;
  given: Record<string, unknown>;
  given_text: string;
}

const cases = JSON.parse(readFileSync('test/fixtures/own-template/expected.json', 'utf8')) as Case[];
const messages = [
  { role: 'user', content: 'Hi' },
  { role: 'assistant', content: 'Hello' },
];
const render = (source: string, given: object = {}) => new JinjaTemplate(source).render({ messages, ...given }).text;

test.each(cases)('$name', ({ template, arguments: given, own, text, given: other, given_text }) => {
  expect(ownTemplates('nowhere', { template, arguments: given })).toEqual({ 'chat_template.jinja': own });
  expect(render(own)).toBe(text);
  expect(render(own, { [Object.keys(given)[0]]: 'other' })).toBe(given_text);
  expect(render(template, other)).toBe(given_text);
});

test("is the model's with the arguments, once, and none where nothing differs; a model with several has several", () => {
  const folder = temporaryFolder();
  const [{ template, arguments: given, own }] = cases;
  writeFileSync(join(folder, 'chat_template.jinja'), template);
  expect(ownTemplates(folder, { arguments: given })).toEqual({ 'chat_template.jinja': own });
  expect([ownTemplates(folder), ownTemplates(folder, { arguments: {} })]).toEqual([{}, {}]);
  writeFileSync(join(folder, 'chat_template.jinja'), own);
  expect(ownTemplates(folder, { arguments: given })).toEqual({ 'chat_template.jinja': own });
  mkdirSync(join(folder, 'additional_chat_templates'));
  writeFileSync(join(folder, 'additional_chat_templates', 'tool_use.jinja'), 'tools');
  expect(ownTemplates(folder, { arguments: given })).toEqual({
    'chat_template.jinja': own,
    'additional_chat_templates/tool_use.jinja': own.replace(template, 'tools'),
  });
});
