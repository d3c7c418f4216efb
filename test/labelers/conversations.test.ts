/** Responses that are conversations, from a file to its preferences: nothing of them is lost, and nothing becomes a text that is none. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { writeJsonl } from '../../data/jsonl.ts';
import { readAnswered } from '../../data/readers.ts';
import type { Labeler } from '../../labelers/labeler.ts';
import { candidatesOf, judge } from '../../labelers/labels.ts';
import { comparableCandidates } from '../../labelers/people/candidates.ts';
import { describeReasons, preferencesOf } from '../../labelers/preferences.ts';
import { fileOf } from '../data/folder.ts';

/** Longer responses have higher scores. */
const byLength: Labeler = {
  name: 'by length',
  judge: async (prompts) => ({
    verdicts: prompts.map(({ answers }) => answers.map(({ length }) => ({ score: length }))),
  }),
};

async function label(row: object) {
  const rows = await readAnswered(fileOf('answered.jsonl', row));
  const labels = await judge(
    rows.map((one) => candidatesOf(one)),
    byLength,
  );
  return { rows, ...labels, ...preferencesOf(rows, labels) };
}

const user = (content: string) => ({ role: 'user', content });
const assistant = (content: string, more: object = {}) => ({ role: 'assistant', content, ...more });
const calls = (city: string) => ({
  tool_calls: [{ type: 'function', function: { name: 'weather', arguments: { city } } }],
});
const thought = { reasoning_content: 'I recall the sky' };

test.each([
  ['turns of the user', [assistant('x longest'), user('USER WORDS'), assistant('z')]],
  ['reasoning', [assistant('calling now', thought)]],
  ['a tool call', [assistant('calling now', calls('Rome'))]],
  ['several parts', [{ role: 'assistant', content: ['calling ', 'now'].map((text) => ({ type: 'text', text })) }]],
])('a response with %s keeps them, and the row is a conversation', async (_, response) => {
  const { preferences } = await label({ prompt: 'Q1', response, rejected: 'no' });
  expect(preferences).toMatchObject([
    { prompt: [user('Q1')], chosen: response, rejected: [assistant('no')], reference_response: response },
  ]);
});

test.each([
  ['a string', 'Q1'],
  ['a conversation', [user('Q1')]],
])("a data set's own response keeps its reasoning after a prompt that is %s", async (_, prompt) => {
  const chosen = [assistant('Blue, as the sky is.', thought)];
  const { preferences } = await label({ prompt, responses: [{ text: 'Red.' }], chosen });
  expect(preferences).toMatchObject([
    { prompt: [user('Q1')], chosen, rejected: [assistant('Red.')], reference_response: [assistant('Red.')] },
  ]);
});

test.each([
  ['null values', { name: null, reasoning_content: null }],
  ['no tool calls', { tool_calls: [] }],
])('a response of one message with a text and %s is a text after a prompt that is one', async (_, more) => {
  const { preferences } = await label({ prompt: 'Q1', response: [assistant('Blue.', more)], rejected: 'no' });
  expect(preferences).toMatchObject([{ prompt: 'Q1', chosen: 'Blue.', rejected: 'no', reference_response: 'Blue.' }]);
});

test.each([
  ['beside a text', { prompt: 'Q1', response: 'It is warm.', rejected: [assistant('', calls('Rome'))] }],
  [
    'beside others',
    { prompt: 'Q1', response: [assistant('', calls('Oslo'))], rejected: [assistant('', calls('Rome'))] },
  ],
  [
    'after calls whose results it has',
    {
      prompt: 'Q1',
      response: 'It is warm.',
      rejected: [assistant('', calls('Oslo')), { role: 'tool', content: '20' }, assistant('', calls('Rome'))],
    },
  ],
])('tool calls without a text %s have no score, and the prompt is counted', async (_, row) => {
  const { preferences, labels, stats } = await label(row);
  expect(preferences).toEqual([]);
  expect(labels[0].candidates[1]).toEqual({ index: 1 });
  expect(stats.dropped).toEqual({ oneCandidate: 0, callsAlone: 1, unjudged: 0, noAnswer: 0, tie: 0 });
  expect(describeReasons(stats.dropped)).toBe('1 with tool calls without a text, which labelers do not score');
});

test('two texts beside tool calls without a text are a preference', async () => {
  const own = { chosen: [assistant('', calls('Rome'))], rejected: 'no' };
  const { preferences } = await label({ prompt: 'Q1', responses: [{ text: 'It is warm.' }], ...own });
  expect(preferences).toMatchObject([{ prompt: 'Q1', chosen: 'It is warm.', rejected: 'no' }]);
});

test('equal texts with different calls are two candidates with one score', async () => {
  const [response, rejected] = ['Rome', 'Oslo'].map((city) => [assistant('I look.', calls(city))]);
  expect((await label({ prompt: 'Q1', response, rejected })).stats.dropped).toMatchObject({ tie: 1, oneCandidate: 0 });
  const again = [{ ...calls('Rome'), content: 'I look.', name: null, role: 'assistant' }];
  expect((await label({ prompt: 'Q1', response, rejected: again })).stats.dropped).toMatchObject({ oneCandidate: 1 });
});

test('people compare different calls, and prefer one of them; reasoning, which they do not see, makes no difference', async () => {
  const [rome, oslo] = ['Rome', 'Oslo'].map((city) => [assistant('', calls(city))]);
  const { rows } = await label({ prompt: 'Q1', response: rome, chosen: oslo, rejected: [assistant('', thought)] });
  expect(comparableCandidates(rows[0], 'keep')).toEqual([0, 1]);
  const voted = [{ id: rows[0].id, candidates: [0, 1].map((index) => ({ index, score: index })) }];
  const { preferences } = preferencesOf(rows, { labels: voted, counts: {} });
  expect(preferences).toMatchObject([{ prompt: [user('Q1')], chosen: oslo, rejected: rome }]);

  const thoughtful = await label({ prompt: 'Q1', response: 'Blue.', rejected: [assistant('Blue.', thought)] });
  expect(comparableCandidates(thoughtful.rows[0], 'keep')).toEqual([0]);
});

test('the text of a response may be a conversation, with exact numbers, and is read again as it is written', async () => {
  const text = '[{"role":"assistant","content":"Now.","tool_calls":[{"name":"f","arguments":{"x":0.0,"10":1,"2":1}}]}]';
  const path = fileOf(
    'given.jsonl',
    `{"id":"a","prompt":"Q1","responses":[{"text":${text},"score":1.0},{"text":"no"}]}`,
  );
  const rows = await readAnswered(path);
  expect(rows[0].responses[0]['score']).toBe(1);
  const written = fileOf('written.jsonl');
  await writeJsonl(written, rows);
  expect(readFileSync(written, 'utf8')).toContain(`"text":${text}`);
  expect(await readAnswered(written)).toEqual(rows);
});

test.each([
  [[assistant('a'), user('b')], 'ends "responses.1.text" with a user message; add the answer to it.'],
  [[{ role: 'assistant', content: [{ type: 'image' }] }], 'a content part of type "image"'],
])('a response %j is refused', async (text, message) => {
  const path = fileOf('refused.jsonl', { prompt: 'Q1', responses: [{ text: 'a' }, { text }] });
  await expect(readAnswered(path)).rejects.toThrow(message);
});
