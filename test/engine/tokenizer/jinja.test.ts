/** Where the Jinja library differs from Jinja in Python: text that transformers renders (test/fixtures/jinja). */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { strftimeNow } from '../../../engine/tokenizer/fixed-date.ts';
import { JinjaTemplate } from '../../../engine/tokenizer/jinja/template.ts';

const file = new URL('../../fixtures/jinja/loops.json', import.meta.url);
const { messages, templates } = JSON.parse(readFileSync(file, 'utf8')) as {
  messages: object[];
  templates: Record<string, { template: string; text: string }>;
};

test.each(Object.entries(templates))(
  'loops keep what an iteration wrote before it ended: %s',
  (_, { template, text }) => {
    const jinja = new JinjaTemplate(template);
    expect(jinja.render({ messages }).text).toBe(text);
    // And so they do a second time.
    expect(jinja.render({ messages }).text).toBe(text);
  },
);

const fixture = <T>(name: string) =>
  JSON.parse(readFileSync(new URL(`../../fixtures/jinja/${name}`, import.meta.url), 'utf8')) as T;
const { values, templates: written } = fixture<{ values: object; templates: [string, string | null][] }>('values.json');

test.each(written)('values are written as in Python: %s', (template, text) => {
  const render = () => new JinjaTemplate(template).render({ ...values }).text;
  if (text === null) expect(render).toThrow();
  else expect(render()).toBe(text);
});

const python = fixture<{ values: object; templates: [string, string | null][] }>('python.json');

test.each(python.templates)('expressions and blocks are as in Python: %s', (template, text) => {
  const render = () => new JinjaTemplate(template).render({ ...python.values }).text;
  if (text === null) expect(render).toThrow();
  else expect(render()).toBe(text);
});

test('strftime_now formats the fixed date as Python does', () => {
  const dates = fixture<Record<string, string>>('dates.json');
  const formats = Object.keys(dates);
  expect(Object.fromEntries(formats.map((format) => [format, strftimeNow(format)]))).toEqual(dates);
  const template = new JinjaTemplate("{{ strftime_now('%d %B %Y') }}{% if strftime_now is defined %}!{% endif %}");
  expect(template.render({}).text).toBe('26 July 2024!');
});
