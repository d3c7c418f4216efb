/** Prompts and responses of rows are separated as in TRL. Rows in which a turn would be lost are rejected. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { InputError } from '../../data/errors.ts';
import { readPrompts } from '../../data/prompts.ts';
import { readAnswered, readDemonstrations, readPreferences, readScoreRows } from '../../data/readers.ts';
import type { PreferenceRecord, Text } from '../../data/records.ts';
import { fileOf } from './folder.ts';

const user = (content: string) => ({ role: 'user', content });
const assistant = (content: string) => ({ role: 'assistant', content });
const system = (content: string) => ({ role: 'system', content });

type Expected = { name: string; row: Record<string, Text> } & Record<'prompt' | 'chosen' | 'rejected', Text>;
const cases = JSON.parse(readFileSync('test/fixtures/conversations/expected.json', 'utf8')) as Expected[];

describe.each(cases)('$name', ({ row, prompt, chosen, rejected }) => {
  const expected = { prompt, chosen, rejected };

  test('is read as TRL reads it', async () => {
    const { rows } = await readPreferences(fileOf('preference.jsonl', row));
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject(expected);
  });

  test('says what its prompt is for a run too, or is refused where the answers do not follow the prompt', async () => {
    const read = readPrompts(fileOf('prompt.jsonl', row));
    if (typeof chosen === 'string' || chosen[0].role !== 'user') expect((await read)[0]).toMatchObject(expected);
    else await expect(read).rejects.toThrow(/line 1 asks more in "chosen" than in its prompt/);
  });

  test('is read the same once it is written as it was read', async () => {
    const [{ id, ...again }] = (await readPreferences(fileOf('again.jsonl', { id: 'x', ...expected }))).rows;
    expect(again).toEqual(expected);
    expect(id).toBe('x');
  });
});

const [question, followUp] = [user('Summer?'), user('Winter?')];
const [nectar, honey, snow] = [assistant('Nectar.'), assistant('Honey.'), assistant('Snow.')];

async function read(row: object): Promise<PreferenceRecord> {
  return (await readPreferences(fileOf('one.jsonl', row))).rows[0] as PreferenceRecord;
}

describe('a prompt that', () => {
  test('is the end of the history that the responses repeat has that history', async () => {
    const row = {
      prompt: [followUp],
      chosen: [question, nectar, followUp, honey],
      rejected: [question, nectar, followUp, snow],
    };
    expect(await read(row)).toMatchObject({ prompt: [question, nectar, followUp], chosen: [honey], rejected: [snow] });
  });

  test('has a system message that the responses do not repeat keeps it', async () => {
    const row = { prompt: [system('s'), question], chosen: [question, honey], rejected: [question, snow] };
    expect(await read(row)).toMatchObject({ prompt: [system('s'), question], chosen: [honey], rejected: [snow] });
  });

  test.each([
    ['follows', []],
    ['is repeated by', [system('s')]],
  ])('is a system message, which %s the responses, has their question', async (_, repeated) => {
    const row = {
      prompt: [system('s')],
      chosen: [...repeated, question, honey],
      rejected: [...repeated, question, snow],
    };
    expect(await read(row)).toMatchObject({ prompt: [system('s'), question], chosen: [honey], rejected: [snow] });
  });

  test('one response alone repeats is taken from that one', async () => {
    const row = { prompt: 'Summer?', chosen: [system('s'), question, honey], rejected: 'Snow.' };
    expect(await read(row)).toMatchObject({ prompt: [system('s'), question], chosen: [honey], rejected: 'Snow.' });
  });

  test('is repeated with other keys and nulls is repeated all the same', async () => {
    const asked = { content: 'Summer?', name: null, role: 'user' };
    expect(await read({ prompt: [question], chosen: [asked, honey], rejected: [question, snow] })).toMatchObject({
      prompt: [question],
      chosen: [honey],
      rejected: [snow],
    });
  });

  test('the reference response repeats is taken out of it', async () => {
    const sides = { chosen: [question, honey], rejected: [question, snow] };
    expect(await read({ ...sides, reference_response: [question, nectar] })).toMatchObject({
      prompt: [question],
      reference_response: [nectar],
    });
    expect(await read({ chosen: 'ab c', rejected: 'ab d', reference_response: 'ab e' })).toMatchObject({
      prompt: 'ab',
      chosen: ' c',
      reference_response: ' e',
    });
  });

  test('is implicit has an id by its content, whatever else the row holds', async () => {
    const rows = [
      { chosen: [question, honey], rejected: [question, snow], more: 1 },
      { prompt: [{ content: 'Summer?', role: 'user' }], chosen: [nectar], rejected: [snow] },
    ];
    const [a, b] = (await readPreferences(fileOf('ids.jsonl', ...rows))).rows;
    expect(a.id).toMatch(/^[0-9a-f]{16}$/);
    expect(a.id).toBe(b.id);
  });
});

test.each([
  [
    'another question',
    { prompt: 'Autumn?', chosen: [question, honey], rejected: [question, snow] },
    /begins "chosen" with a user message that is not of its "prompt"/,
  ],
  [
    'another conversation',
    { prompt: [user('Autumn?')], chosen: [question, honey], rejected: [question, snow] },
    /begins "chosen" with a user message/,
  ],
  [
    'a system message of its own',
    { prompt: [user('Autumn?')], chosen: [system('s'), question, honey], rejected: [snow] },
    /begins "chosen" with a system message/,
  ],
  [
    'different histories',
    { prompt: [followUp], chosen: [question, nectar, followUp, honey], rejected: [question, snow, followUp, snow] },
    /begins "chosen" with a user message/,
  ],
  [
    'a reference response to less',
    {
      prompt: 'Winter?',
      chosen: [question, nectar, followUp, honey],
      rejected: [question, nectar, followUp, snow],
      reference_response: [question, snow],
    },
    /begins "reference_response" with a user message/,
  ],
  [
    'a history in one response, another in the other',
    {
      prompt: [followUp],
      chosen: [question, nectar, followUp, honey],
      rejected: [question, nectar, followUp, snow],
      reference_response: [followUp, snow],
    },
    /different conversations before the answers in "chosen" and "reference_response"/,
  ],
  [
    'no common beginning',
    { chosen: [question, honey], rejected: [followUp, snow] },
    /has no "prompt", and "chosen" and "rejected" have no common beginning/,
  ],
  ['no common beginning of strings', { chosen: 'a b ', rejected: 'c' }, /no common beginning/],
  [
    'a string and a conversation without a prompt',
    { chosen: 'a', rejected: [question, snow] },
    /a string and a conversation in "chosen" and "rejected"/,
  ],
  [
    'the user last',
    { prompt: [question], chosen: [honey, followUp], rejected: [snow] },
    /ends "chosen" with a user message; add the answer to it\.$/,
  ],
  [
    'the user last in rejected',
    { chosen: [question, honey], rejected: [question] },
    /ends "rejected" with a user message; add the answer to it\.$/,
  ],
  [
    'a tool last',
    { prompt: [question], chosen: [honey, { role: 'tool', content: 'x' }], rejected: [snow] },
    /ends "chosen" with a tool message/,
  ],
  [
    'the prompt as the answer',
    { prompt: [question, nectar], chosen: [question, nectar], rejected: [snow] },
    /has nothing but the prompt in "chosen"/,
  ],
  ['no messages', { prompt: [question], chosen: [], rejected: [snow] }, /has a wrong "chosen"/],
  [
    'a reference response to something else',
    { chosen: 'ab c', rejected: 'ab d', reference_response: 'x' },
    /does not begin "reference_response" as its other responses begin/,
  ],
])('a preference with %s is refused by row', async (_, row, message) => {
  const good = { prompt: 'x', chosen: 'y', rejected: 'z' };
  const failure = readPreferences(fileOf('refused.jsonl', good, row));
  await expect(failure).rejects.toThrow(InputError);
  await expect(failure).rejects.toThrow(message);
  await expect(failure).rejects.toThrow(/refused\.jsonl line 2 [^\n]+\.$/);
});

describe('a single response', () => {
  const whole = [question, nectar, followUp, honey];

  test('to be scored or labeled loses the prompt that it repeats', async () => {
    const rows = [
      { prompt: [question], response: whole },
      { prompt: 'Winter?', response: whole },
      { prompt: 'Winter?', response: [honey] },
      { prompt: [question, nectar, followUp], response: whole },
    ];
    expect(await readScoreRows(fileOf('score.jsonl', ...rows))).toEqual([
      { prompt: [question], response: [nectar, followUp, honey] },
      { prompt: [question, nectar, followUp], response: [honey] },
      { prompt: 'Winter?', response: [honey] },
      { prompt: [question, nectar, followUp], response: [honey] },
    ]);
    const [answered] = await readAnswered(fileOf('answered.jsonl', rows[3]));
    expect(answered.responses).toEqual([{ text: 'Honey.' }]);
    await expect(readScoreRows(fileOf('score.jsonl', { prompt: [question], response: [question] }))).rejects.toThrow(
      /line 1 ends "response" with a user message/,
    );
  });

  test('to be trained on loses it too, and all its turns stay', async () => {
    const rows = [{ prompt: [question], completion: whole }, { messages: whole }];
    expect(await readDemonstrations(fileOf('sft.jsonl', ...rows))).toEqual([
      { prompt: [question], completion: [nectar, followUp, honey] },
      { messages: whole },
    ]);
  });
});

test.each([
  [
    { messages: [question, nectar, followUp] },
    /line 1 ends "messages" with a user message; end them with an assistant message\.$/,
  ],
  [{ messages: [system('s'), question] }, /line 1 ends "messages" with a user message/],
  [{ messages: [question, nectar, system('s')] }, /line 1 ends "messages" with a system message/],
  [{ prompt: [question], completion: [nectar, followUp] }, /line 1 ends "completion" with a user message/],
  [{ prompt: [question], completion: [] }, /line 1 has a wrong "completion"/],
])('the demonstration %j is refused', async (row, message) => {
  await expect(readDemonstrations(fileOf('refused-sft.jsonl', row))).rejects.toThrow(message);
});

test.each([
  ['prompt', [question, { role: 'assistant', content: null }], 'prompt.1.content'],
  ['prompt', [{ role: 'user', content: null }], 'prompt.0.content'],
  ['chosen', [question, { role: 'assistant', content: null }], 'chosen.1.content'],
  ['rejected', [{ role: 'assistant', content: [5] }], 'rejected.0.content.0'],
])('a message without a content is named: %s %j', async (field, text, name) => {
  const row = { prompt: [question], chosen: [honey], rejected: [snow], [field]: text };
  await expect(read(row)).rejects.toThrow(`line 1 has a wrong "${name}": expected`);
});

const call = { type: 'function', function: { name: 'weather', arguments: { city: 'Rome' } } };
const CONTENT =
  "expected a string or a list of text parts; give other values, such as a tool's result, as JSON in a string.";
const CALLS = 'expected a list of calls, such as [{"type": "function", "function": {"name": "…", "arguments": {…}}}].';

test.each([
  ['content', { role: 'tool', content: { temp: 20 } }, CONTENT],
  ['content', { role: 'tool', content: 20 }, CONTENT],
  ['content', { role: 'user', content: true }, CONTENT],
  ['tool_calls', { role: 'assistant', content: '', tool_calls: JSON.stringify([call]) }, CALLS],
  ['tool_calls', { role: 'assistant', content: null, tool_calls: call }, CALLS],
  ['tool_calls', { role: 'assistant', tool_calls: [JSON.stringify(call)] }, CALLS],
  ['tool_calls', { role: 'assistant', tool_calls: [{ type: 'function', function: 'weather' }] }, CALLS],
  ['tool_calls', { role: 'assistant', tool_calls: [{ type: 'function' }] }, CALLS],
  ['tool_calls', { role: 'assistant', tool_calls: [null] }, CALLS],
])('a message with a wrong %s is refused with the form that it needs: %j', async (key, message, sentence) => {
  const rows = { prompt: [question, message, followUp], chosen: [honey], rejected: [snow] };
  await expect(read(rows)).rejects.toThrow(`one.jsonl line 1 has a wrong "prompt.1.${key}": ${sentence}`);
  const messages = [question, message, honey];
  await expect(readDemonstrations(fileOf('sft.jsonl', { messages }))).rejects.toThrow(
    `sft.jsonl line 1 has a wrong "messages.1.${key}": ${sentence}`,
  );
});

test('a message keeps the order of its keys, and its calls as they are', async () => {
  const columns = { name: null, function: null };
  const calling = {
    role: 'assistant',
    content: null,
    reasoning_content: 'Hm.',
    tool_calls: [call, { ...call, name: null }, { name: 'weather', arguments: '{"city": "Rome"}', function: null }],
    name: 'bot',
  };
  const given = [question, { ...calling, tool_calls: [...calling.tool_calls, { ...columns, name: 'time' }] }, followUp];
  const { prompt } = await read({ prompt: given, chosen: [honey], rejected: [snow] });
  expect(JSON.stringify(prompt)).toBe(JSON.stringify(given));
});

describe('rows whose chosen and rejected are equal', () => {
  const tokens = { prompt_input_ids: [1], chosen_input_ids: [2], rejected_input_ids: [2] };
  const equal = [
    { prompt: 'x', chosen: 'y', rejected: 'y' },
    { prompt: 'x', chosen: 'y', rejected: [assistant('y')] },
    { chosen: [question, honey], rejected: [question, { content: 'Honey.', role: 'assistant', name: null }] },
    { chosen: 'abc', rejected: 'abc' },
    tokens,
  ];

  test('are left out and counted', async () => {
    const { rows, numbers, counts } = await readPreferences(
      fileOf('equal.jsonl', ...equal, { ...tokens, rejected_input_ids: [3], chosen: 'a', rejected: 'a' }),
    );
    expect(rows).toHaveLength(1);
    expect(numbers).toEqual([6]);
    expect(counts).toEqual({ rows: 6, equal: 5 });
  });

  test('alone are refused', async () => {
    await expect(readPreferences(fileOf('equal.jsonl', ...equal))).rejects.toThrow(
      /equal\.jsonl has the same chosen and rejected response in every row/,
    );
  });
});

describe('an assistant message at the end of the prompt', () => {
  const first = assistant('First.');
  const answers = { chosen: [honey], rejected: [snow] };
  const repeated = { chosen: [question, first, honey], rejected: [question, first, snow] };

  test('is complete if the responses repeat it, for training and for sampling', async () => {
    for (const row of [repeated, { prompt: [question, first], ...repeated }]) {
      const separated = { prompt: [question, first], ...answers, continue_final_message: false };
      expect(await read(row)).toMatchObject(separated);
      expect(await readPrompts(fileOf('prompt.jsonl', row))).toMatchObject([separated]);
      expect(await read(separated)).toMatchObject(separated);
    }
  });

  test('is continued if they do not, or if the row says so', async () => {
    expect(await read({ prompt: [question, first], ...answers })).not.toHaveProperty('continue_final_message');
    expect(await read({ ...repeated, continue_final_message: true })).toMatchObject({ continue_final_message: true });
  });
});
