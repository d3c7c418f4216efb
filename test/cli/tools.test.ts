/** Tools that a row offers and the chat template does not write: said once, with how many rows have them. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { selm } from '../command.ts';
import { temporaryFolder } from '../temporary.ts';
import { tinyModel } from '../tiny-model.ts';

const folder = temporaryFolder();
const path = (name: string) => join(folder, name);
const model = tinyModel(path('model'));
const tools = [{ type: 'function', function: { name: 'weather', parameters: {} } }];
const WARNING =
  'selm: warning: 2 rows have tools, which the chat template does not write: the policy does not see them.\n';

function file(name: string, fields: object): string {
  const rows = [{ tools }, { tools: JSON.stringify(tools) }, { tools: [] }, { tools: null }, {}];
  writeFileSync(
    path(name),
    rows.map((row, i) => `${JSON.stringify({ prompt: `Hello ${i}`, ...fields, ...row })}\n`).join(''),
  );
  return path(name);
}
const training = ['--lora-rank', '2', '--learning-rate', '1e-4'];

test.each([
  ['sample', ['--prompts', file('prompts.jsonl', {}), '--max-new-tokens', '2']],
  ['score', ['--in', file('score.jsonl', { response: 'Hi' })]],
  ['sft', ['--demonstrations', file('sft.jsonl', { completion: 'Hi' }), ...training]],
  [
    'optimize',
    ['--preferences', file('preferences.jsonl', { chosen: 'Hi', rejected: 'No' }), '--objective', 'dpo', ...training],
  ],
])('selm %s', async (command, flags) => {
  const ended = await selm([command, '--model', model, ...flags, '--out', path(`${command}-out`), '--json'], {});
  expect(ended.code, ended.stderr).toBe(0);
  expect(ended.stderr).toContain(WARNING);
  const template = path('tools.jinja');
  writeFileSync(
    template,
    '{{ tools }}{% for m in messages %}<{{ m.role }}>{{ m.content }}<end>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}',
  );
  const written = await selm(
    [command, '--model', model, '--chat-template', template, ...flags, '--out', path(`${command}-written`)],
    {},
  );
  expect(written.code, written.stderr).toBe(0);
  expect(written.stderr).not.toContain('tools');
});
