/** Numbers and keys of messages and tools in a template are those of Python (test/fixtures/exact-json/make_exact_json.py). */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { writeJsonl } from '../../../data/jsonl.ts';
import { readPrompts } from '../../../data/prompts.ts';
import type { PromptRecord } from '../../../data/records.ts';
import { toolsOf } from '../../../data/tools.ts';
import { JinjaTemplate } from '../../../engine/tokenizer/jinja/template.ts';
import { temporaryFolder } from '../../temporary.ts';

const fixture = (name: string) => join('test/fixtures/exact-json', name);
const text = (name: string) => readFileSync(fixture(name), 'utf8');
const render = (template: string, row: PromptRecord) =>
  new JinjaTemplate(template).render({ messages: row.prompt, tools: toolsOf(row) }).text;

test.each([
  ['rows.jsonl', 'expected.txt'],
  ['rows.parquet', 'parquet.txt'],
])('of %s, also after they were written and read again', async (file, expected) => {
  const rows = await readPrompts(fixture(file));
  const copy = join(temporaryFolder(), 'copy.jsonl');
  await writeJsonl(copy, rows);
  for (const row of [...rows, ...(await readPrompts(copy))]) {
    expect(render(text('template.jinja'), row)).toBe(text(expected));
  }
});

test('of Parquet columns of structs', async () => {
  const [row] = await readPrompts(fixture('structs.parquet'));
  expect(render('{{ tools | tojson }}', row)).toBe(text('structs.txt'));
});
