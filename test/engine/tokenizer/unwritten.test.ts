/** Answers of which a template writes nothing. */
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Message } from '../../../data/records.ts';
import { loadTokenizer } from '../../../engine/tokenizer/tokenizer.ts';
import { temporaryFolder } from '../../temporary.ts';

const folder = new URL('../../fixtures/chat-templates/cases/tools-column', import.meta.url).pathname;
const header = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content or '' }}";
const footer = '<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}';
const plain = loadTokenizer(folder, { template: header + footer });
const withCalls = loadTokenizer(folder, {
  template: `${header}{% for c in m.tool_calls or [] %}{{ c.function.name }}{% endfor %}${footer}`,
});
const user = { role: 'user', content: 'Weather?' };
const call = { type: 'function', function: { name: 'weather', arguments: { city: 'Rome' } } };
const calling: Message = { role: 'assistant', content: '', tool_calls: [call] };
const thinking: Message = { role: 'assistant', content: ' ', reasoning_content: 'Hm.' };
const NOTHING =
  /^the chat template given for .*tools-column writes nothing of assistant message 2: leave the message out/;

describe.each([
  ['tool calls', calling],
  ['calls as JSON', { ...calling, tool_calls: [{ name: 'weather', arguments: '{"city": "Rome"}' }] }],
  ['reasoning', thinking],
  ['both', { ...calling, thinking: 'Hm.' }],
])('an answer of nothing but %s', (_, answer: Message) => {
  test('is refused if the template does not write it', () => {
    expect(() => plain.encodeExchange([user], [[answer]])).toThrow(NOTHING);
    expect(() => plain.encodeConversation([user, answer])).toThrow(NOTHING);
    expect(() => plain.encodeConversation([user, answer, user, { role: 'assistant', content: 'Sunny.' }])).toThrow(
      NOTHING,
    );
    expect(() => plain.ignored([user], [[answer]], {})).toThrow(NOTHING);
  });
});

test('an answer whose calls are written is trained on, and its reasoning is reported', () => {
  const both = { ...calling, thinking: 'Hm.' };
  expect(withCalls.decode(withCalls.encodeExchange([user], [[both]]).responses[0])).toBe('weather');
  expect(withCalls.ignored([user], [[both], [{ role: 'assistant', content: 'Sunny.' }]], {})).toEqual([
    'ignoredReasoning',
  ]);
  expect(withCalls.ignored([user], [[calling]], {})).toEqual([]);
});

test('text beside a call that is not written is trained on as in TRL, and the calls are reported', () => {
  const answer = { ...calling, content: 'I look.' };
  const without = { role: 'assistant', content: 'I look.' };
  expect(plain.encodeExchange([user], [[answer]])).toEqual(plain.encodeExchange([user], [[without]]));
  expect(plain.ignored([user], [[answer]], {})).toEqual(['ignoredCalls']);
});

test('an empty answer ends at once, and nothing is reported', () => {
  const empty = { role: 'assistant', content: '', tool_calls: [], reasoning_content: null };
  expect(plain.encodeExchange([user], [[empty]]).responses[0]).toEqual([plain.eosIds[0]]);
  expect(plain.ignored([user], [[empty], ''], {})).toEqual([]);
});

test('a message of the prompt that is not written is reported', () => {
  const prompt = [user, calling, { role: 'tool', content: '20' }];
  expect(plain.ignored(prompt, [], {})).toEqual(['ignoredCalls']);
  expect(plain.ignored(prompt, ['Sunny.'], {})).toEqual(['ignoredCalls']);
  expect(plain.encodeExchange(prompt, ['Sunny.']).isPrefix).toBe(true);
});

test('a thought in the text of an answer that is not written is reported', () => {
  const thoughts = ['<think>abc</think>Blue.', 'abc</think>Blue.', '<think>\n\n</think>Blue.', '<think>abc'];
  const found = ['plain', 'r1', 'qwen3'].map((name) => {
    const tokenizer = loadTokenizer(folder.replace('tools-column', `thought-dropped-${name}`));
    return thoughts.map((thought) => tokenizer.ignored('A color', [thought], {}));
  });
  const r1 = [['ignoredThoughts'], ['ignoredThoughts'], [], []];
  expect(found).toEqual([[[], [], [], []], r1, [[], [], [], []]]);
});

test('an answer of nothing but a thought that is not written is refused', () => {
  const r1 = loadTokenizer(folder.replace('tools-column', 'thought-dropped-r1'));
  const answer = { role: 'assistant', content: '<think>abc</think>\n' };
  const refused = /thought-dropped-r1\S* writes nothing of assistant message 2: /;
  expect(() => r1.encodeExchange('A color', [answer.content])).toThrow(refused);
  expect(() => r1.encodeConversation([user, answer])).toThrow(refused);
  expect(() => r1.ignored([user], [[answer]], {})).toThrow(refused);
  expect(r1.ignored([user, answer, user], ['Blue.'], {})).toEqual(['ignoredThoughts']);
});

test('a message that is not written is reported, whatever its text is', () => {
  const skips = loadTokenizer(folder, {
    template: `${header}${footer}`.replace('messages %}', "messages if m.role != 'critic' %}"),
  });
  const answer = { role: 'assistant', content: 'Sunny.' };
  const [critic, empty] = [
    { role: 'critic', content: '<no>' },
    { role: 'critic', content: ' ' },
  ];
  expect(skips.ignored([critic, user], ['Sunny.'], {})).toEqual(['ignoredMessages']);
  expect(skips.ignored([user, answer, critic, answer], [], {})).toEqual(['ignoredMessages']);
  expect(skips.ignored([user, empty], ['Sunny.'], {})).toEqual([]);
  expect(plain.ignored([critic, user], ['Sunny.'], {})).toEqual([]);
});

test('arguments of a row that the template does not read are reported', () => {
  const reads = loadTokenizer(folder, { template: `{{ persona }}${header}${footer}` });
  const given = { arguments: { persona: 'A pirate.' } };
  expect([reads, plain].map((tokenizer) => tokenizer.ignored('Hi', [], given))).toEqual([[], ['ignoredArguments']]);
});

test('a model without a template ignores tools and arguments', () => {
  const copy = join(temporaryFolder(), 'model');
  cpSync(folder, copy, { recursive: true });
  rmSync(join(copy, 'chat_template.jinja'));
  const none = loadTokenizer(copy);
  expect(none.ignored('Hi', ['Yes.'], { tools: [call], arguments: { a: 1 } })).toEqual([
    'ignoredTools',
    'ignoredArguments',
  ]);
});
