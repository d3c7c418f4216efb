/** ShareGPT's conversations of {from, value} are converted as by TRL's maybe_convert_to_chatml (see test/fixtures/sharegpt). */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { readPrompts } from '../../data/prompts.ts';
import { readDemonstrations, readPreferences } from '../../data/readers.ts';
import { fileOf } from './folder.ts';

const cases = JSON.parse(readFileSync('test/fixtures/sharegpt/expected.json', 'utf8')) as {
  name: string;
  row: object;
  converted: object;
}[];
const withId = (given: object) => ({ id: 'a', ...given });
const isPreference = ({ row }: { row: object }) => 'chosen' in row;

test.each(cases.filter((one) => !isPreference(one)))('a demonstration: $name', async ({ row, converted }) => {
  const [read, ...more] = await readDemonstrations(fileOf('demonstrations.jsonl', row));
  expect(more).toEqual([]);
  expect(read).toEqual((await readDemonstrations(fileOf('converted.jsonl', converted)))[0]);
  expect(read).toMatchObject(converted);
});

test.each(cases.filter(isPreference))('$name', async ({ row, converted }) => {
  const [read, expected] = [
    await readPreferences(fileOf('p.jsonl', withId(row))),
    await readPreferences(fileOf('c.jsonl', withId(converted))),
  ];
  expect(read).toEqual(expected);
  expect(await readPrompts(fileOf('p.jsonl', withId(row)))).toEqual(
    await readPrompts(fileOf('c.jsonl', withId(converted))),
  );
});

const messagesOf = async (...conversations: object[]) => {
  const [row] = await readDemonstrations(fileOf('roles.jsonl', { conversations }));
  return (row as { messages: object[] }).messages;
};
const call = (name: string, given: unknown) => ({ type: 'function', function: { name, arguments: given } });

describe('roles of LLaMA-Factory and of other data sets', () => {
  const asked = { from: 'human', value: 'Weather?' };

  test('calls, their results and answers', async () => {
    const messages = await messagesOf(
      asked,
      { from: 'function_call', value: '{"name": "weather", "arguments": {"city": "Rome", "t": 1.0}}', weight: 0 },
      { from: 'observation', value: '20' },
      { from: 'chatgpt', value: 'Sunny.' },
    );
    expect(messages).toEqual([
      { role: 'user', content: 'Weather?' },
      // 1.0 is a float in Python.
      { role: 'assistant', content: '', tool_calls: [call('weather', { city: 'Rome', t: '\ufdd21.0' })], weight: 0 },
      { role: 'tool', content: '20' },
      { role: 'assistant', content: 'Sunny.' },
    ]);
  });

  test('several calls, and a function_call that is none', async () => {
    const calls = '[{"name": "a", "arguments": "{}"}, {"name": "b", "arguments": {}}]';
    const others = ['weather(Rome)', '[]', '{"name": "a"}', '{"name": "a", "name": "b", "arguments": {}}'];
    const messages = await messagesOf(
      asked,
      { from: 'function_call', value: calls },
      ...others.map((value) => ({ from: 'function_call', value })),
      { from: 'bard', value: 'Sunny.' },
    );
    expect(messages.slice(1, -1)).toEqual([
      { role: 'assistant', content: '', tool_calls: [call('a', '{}'), call('b', {})] },
      ...others.map((content) => ({ role: 'function_call', content })),
    ]);
  });
});

describe('refused', () => {
  const asked = { from: 'human', value: 'x' };

  test.each([
    [
      { conversations: [asked, asked] },
      'line 1 ends "messages" with a user message; end them with an assistant message.',
    ],
    [
      { conversations: [asked, { from: 'gpt', value: null }] },
      'line 1 has a wrong "messages.1.content": expected a string or a list of text parts.',
    ],
    [{ conversations: [asked], messages: [] }, 'line 1 has "messages" and "conversations"; remove one of them.'],
  ])('%j', async (row, message) => {
    await expect(readDemonstrations(fileOf('refused.jsonl', row))).rejects.toThrow(message);
  });

  test('a column of a prompt that is called conversations stays as it is', async () => {
    const row = { id: 'a', prompt: 'x', conversations: [asked] };
    expect(await readPrompts(fileOf('prompts.jsonl', row))).toEqual([row]);
  });
});
