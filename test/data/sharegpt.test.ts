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
