import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { readAnswered, readDemonstrations, readPreferences, readSampled, readScoreRows } from '../../data/readers.ts';
import { fileOf } from './folder.ts';

const tokens = { prompt_input_ids: [1, 2], chosen_input_ids: [3], rejected_input_ids: [4, 5] };
const response = { text: '', token_ids: [], finish_reason: 'stop', logp: -0.5 };

describe('preferences', () => {
  test('are taken as texts, as conversations and as token ids', async () => {
    const chat = [{ role: 'user', content: 'Hi' }];
    const answer = { role: 'assistant', content: 'Hello.' };
    const path = fileOf(
      'preferences.jsonl',
      { id: 'a', prompt: 'x', chosen: 'y', rejected: '', reference_response: 'y', score_chosen: 1 },
      { id: 'b', prompt: chat, chosen: [...chat, answer], rejected: [...chat, { ...answer, content: 'No.' }] },
      tokens,
    );
    expect((await readPreferences(path)).rows).toEqual([
      { id: 'a', prompt: 'x', chosen: 'y', rejected: '', reference_response: 'y', score_chosen: 1 },
      { id: 'b', prompt: chat, chosen: [answer], rejected: [{ ...answer, content: 'No.' }] },
      tokens,
    ]);
  });

  test('are taken from UltraFeedback as it is', async () => {
    const path = fileURLToPath(new URL('../fixtures/ultrafeedback/prefs.parquet', import.meta.url));
    const {
      rows: [first],
    } = await readPreferences(path);
    expect(first).toMatchObject({
      prompt: [{ role: 'user', content: 'Name a color.' }],
      chosen: [{ content: 'Red.' }],
      rejected: [{ content: 'A dog.' }],
    });
  });

  test.each([
    [{ prompt: 'x', rejected: 'y' }, /line 2 has no "chosen"; every row needs one\.$/],
    [{ prompt: 'x', chosen: '', rejected: 'y' }, /line 2 has an empty "chosen"\.$/],
    [{ prompt_input_ids: [1], chosen_input_ids: [2] }, /line 2 has no "rejected_input_ids"; every row needs one\.$/],
    [{ chosen_input_ids: [2], rejected_input_ids: [3] }, /line 2 has no "prompt_input_ids"; every row needs one\.$/],
    [{ ...tokens, chosen_input_ids: [-1] }, /line 2 has a wrong "chosen_input_ids\.0"/],
    [{ ...tokens, chosen_input_ids: [] }, /line 2 has a wrong "chosen_input_ids"/],
    [{ ...tokens, chosen_prompt_input_ids: [] }, /line 2 has a wrong "chosen_prompt_input_ids"/],
    [{ ...tokens, rejected_prompt_input_ids: 'x' }, /line 2 has a wrong "rejected_prompt_input_ids"/],
    [{ ...tokens, reference_prompt_input_ids: [-1] }, /line 2 has a wrong "reference_prompt_input_ids\.0"/],
    [
      { prompt: 'x', chosen: 'y', rejected: 'z', reference_prompt_input_ids: [1.5] },
      /line 2 has a wrong "reference_prompt_input_ids\.0"/,
    ],
  ])('refuse %j', async (row, message) => {
    const path = fileOf('bad-preferences.jsonl', { prompt: 'x', chosen: 'y', rejected: 'z' }, row);
    await expect(readPreferences(path)).rejects.toThrow(message);
  });
});

describe('rows to score', () => {
  test('are taken as texts, the response empty or not, and as token ids', async () => {
    const rows = [
      { prompt: 'x', response: '' },
      { prompt_input_ids: [1], response_input_ids: [2] },
    ];
    expect(await readScoreRows(fileOf('score.jsonl', ...rows))).toEqual(rows);
  });

  test('are texts if they have both: a row of `selm sample` has the ids of its prompt', async () => {
    const texts = { prompt: 'x', response: 'y' };
    const both = [
      { ...texts, prompt_input_ids: [1] },
      { ...texts, prompt_input_ids: [1], response_input_ids: [2] },
    ];
    expect(await readScoreRows(fileOf('both.jsonl', ...both))).toEqual([texts, texts]);
  });

  test.each([
    [{ prompt: 'x' }, /line 1 has no "response"/],
    [{ prompt_input_ids: [1] }, /line 1 has no "response_input_ids"/],
  ])('refuse %j', async (row, message) => {
    await expect(readScoreRows(fileOf('bad-score.jsonl', row))).rejects.toThrow(message);
  });
});

describe('demonstrations', () => {
  test('are taken as prompt and completion and as one conversation', async () => {
    const messages = [
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content: 'Hello.' },
    ];
    const rows = [{ prompt: 'x', completion: 'y' }, { messages }];
    expect(await readDemonstrations(fileOf('demonstrations.jsonl', ...rows))).toEqual(rows);
  });

  test.each([
    [{ prompt: 'x' }, /line 1 has no "completion"/],
    [{ text: 'x' }, /line 1 has neither "messages" nor "prompt" and "completion" \(found: text\)/],
    [{ messages: [{ role: 'user', content: 'Hi' }] }, /line 1 has a wrong "messages"/],
    [
      { messages: [{ role: 'user' }, { role: 'assistant', content: 'y' }] },
      /line 1 has a wrong "messages\.0\.content"/,
    ],
  ])('refuse %j', async (row, message) => {
    await expect(readDemonstrations(fileOf('bad-demonstrations.jsonl', row))).rejects.toThrow(message);
  });
});

describe('sampled prompts', () => {
  test('are taken with all they carry', async () => {
    const { logp: _, ...unscored } = response;
    const rows = [{ id: 'a', prompt: 'x', kwargs: [{}], responses: [response, unscored] }];
    expect(await readSampled(fileOf('sampled.jsonl', ...rows))).toEqual(rows);
  });

  test('have no field that is null, but for what templates get', async () => {
    const nulls = { token_ids: null, finish_reason: null, logp: null, source: null };
    const call = { name: 'f', arguments: { x: null } };
    const text = [{ role: 'assistant', content: null, tool_calls: [call] }];
    const template = { tools: [{ name: 'f', parameters: null }], chat_template_kwargs: { persona: null } };
    const row = { id: 'a', prompt: 'x', ...template, kwargs: [{ count: null }] };
    const responses = [{ text: 'y' }, { text }];
    const given = responses.map((one) => ({ ...one, ...nulls }));
    expect(await readAnswered(fileOf('nulls.jsonl', { ...row, responses: given }))).toEqual([{ ...row, responses }]);
    const { logp: _, ...unscored } = response;
    const path = fileOf('no-logp.jsonl', { id: 'a', prompt: 'x', responses: [{ ...unscored, logp: null }] });
    expect(await readSampled(path)).toEqual([{ id: 'a', prompt: 'x', responses: [unscored] }]);
  });

  test.each([
    [
      { id: 'a', prompt: 'x', responses: [{ ...response, finish_reason: 'eos' }] },
      /line 1 has a wrong "responses\.0\.finish_reason": expected one of "stop"\|"length"\.$/,
    ],
    [
      { id: 'a', prompt: 'x', responses: [{ ...response, text: null }] },
      /line 1 has a wrong "responses\.0\.text": expected string, received undefined\.$/,
    ],
    [
      { id: 'a', prompt: 'x', responses: [null] },
      /line 1 has a wrong "responses\.0": expected object, received null\.$/,
    ],
    [{ id: 'a', prompt: 'x' }, /line 1 has no "responses"/],
    [{ id: 'a', prompt: 'x', responses: [] }, /line 1 has a wrong "responses"/],
    [{ id: 'a', prompt: 'x', responses: [{ ...response, logp: '-0.5' }] }, /line 1 has a wrong "responses\.0\.logp"/],
  ])('refuse %j', async (row, message) => {
    await expect(readSampled(fileOf('bad-sampled.jsonl', row))).rejects.toThrow(message);
  });
});
