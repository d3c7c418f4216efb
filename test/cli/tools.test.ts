/** What rows have and the chat template ignores: said once, with how many rows have it. */
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

const write = (name: string, rows: object[]) => {
  writeFileSync(path(name), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return path(name);
};
const sft = (file: string) =>
  selm(['sft', '--model', model, '--demonstrations', file, ...training, '--out', `${file}-out`], {});

test('tool calls, reasoning and variables that the template ignores are said; an answer of nothing else is refused', async () => {
  const user = { role: 'user', content: 'Hi' };
  const call = { role: 'assistant', content: 'Yes', tool_calls: [{ function: { name: 'f', arguments: {} } }] };
  const thought = { role: 'assistant', content: 'Yes', reasoning_content: 'Hm.' };
  const ended = await sft(
    write('ignored.jsonl', [
      { messages: [user, call], chat_template_kwargs: { enable_thinking: false } },
      { prompt: 'Hi', completion: [thought] },
      { messages: [user, { role: 'assistant', content: 'Yes' }] },
    ]),
  );
  expect(ended.code, ended.stderr).toBe(0);
  for (const warning of [
    '1 row has tool calls that the chat template does not write: the policy does not see them.',
    '1 row has reasoning (reasoning_content, reasoning, thinking or reasoning_details) that the chat template does not write: the policy does not see it.',
    '1 row has a variable in "chat_template_kwargs" that the chat template does not read.',
  ]) {
    expect(ended.stderr.split(`selm: warning: ${warning}\n`)).toHaveLength(2);
  }

  const refused = await sft(
    write('nothing.jsonl', [{ messages: [user, call] }, { messages: [user, { ...call, content: '' }] }]),
  );
  expect(refused.code).toBe(2);
  expect(refused.stderr).toMatch(/selm: Row 2: the chat template of \S+ writes nothing of assistant message 2: /);
});

test('thoughts and messages that the template leaves out are said', async () => {
  const template = path('thoughtless.jinja');
  writeFileSync(
    template,
    "{% for m in messages %}{% if m.role in ['user', 'assistant'] %}<{{ m.role }}>{{ m.content.split('</think>')[-1] }}<end>{% endif %}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}",
  );
  const [user, answer] = [
    { role: 'user', content: 'Hi' },
    { role: 'assistant', content: '<think>Hm.</think>Yes' },
  ];
  const rows = write('thoughts.jsonl', [
    { messages: [user, answer] },
    { prompt: 'Hi', completion: answer.content },
    { messages: [{ role: 'developer', content: 'Be brief.' }, user, { role: 'assistant', content: 'Yes' }] },
    {
      conversations: [
        { from: 'human', value: 'Hi' },
        { from: 'critic', value: 'Go on' },
        { from: 'bing', value: 'Yes' },
      ],
    },
  ]);
  const flags = ['--model', model, '--chat-template', template, '--demonstrations', rows, ...training];
  const ended = await selm(['sft', ...flags, '--out', path('thoughtless-out')], {});
  expect(ended.code, ended.stderr).toBe(0);
  for (const warning of [
    '2 rows have a text of which the chat template leaves out a part, such as <think>…</think>: the policy does not see it.',
    '2 rows have messages that the chat template does not write, such as those of roles that it does not know: the policy does not see them.',
  ]) {
    expect(ended.stderr.split(`selm: warning: ${warning}\n`)).toHaveLength(2);
  }
});
