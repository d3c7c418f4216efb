/** Where the Jinja library differs from Jinja in Python: text that transformers renders (test/fixtures/jinja). */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { JinjaTemplate } from '../../../engine/tokenizer/jinja.ts';

const file = new URL('../../fixtures/jinja/loops.json', import.meta.url);
const { messages, templates } = JSON.parse(readFileSync(file, 'utf8')) as {
  messages: object[];
  templates: Record<string, { template: string; text: string }>;
};

test.each(Object.entries(templates))(
  'loops keep what an iteration wrote before it ended: %s',
  (_, { template, text }) => {
    const jinja = new JinjaTemplate(template, '');
    expect(jinja.render({ messages }).text).toBe(text);
    // And so they do a second time.
    expect(jinja.render({ messages }).text).toBe(text);
  },
);
