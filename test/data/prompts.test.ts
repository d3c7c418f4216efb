import { fileURLToPath } from 'node:url';
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { readPrompts } from '../../data/prompts.ts';
import { fileOf } from './folder.ts';

const user = (content: string) => ({ role: 'user', content });
const assistant = (content: string) => ({ role: 'assistant', content });
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

describe('JSON Lines', () => {
  test('the id is id, else prompt_id, else key, as text, and further fields stay', async () => {
    const path = fileOf(
      'ids.jsonl',
      { id: 'a', prompt_id: 'b', key: 1, prompt: 'x' },
      { prompt_id: 'b', key: 2, prompt: 'y' },
      { key: 3, prompt: [user('z')], kwargs: [{}] },
    );
    expect(await readPrompts(path)).toEqual([
      { id: 'a', prompt_id: 'b', key: 1, prompt: 'x' },
      { id: 'b', prompt_id: 'b', key: 2, prompt: 'y' },
      { id: '3', key: 3, prompt: [user('z')], kwargs: [{}] },
    ]);
  });

  test('ids are exact, however large they are', async () => {
    const path = fileOf(
      'large-ids.jsonl',
      '{"id":9007199254740993,"prompt":"x"}',
      '{"id":9007199254740992,"prompt":"y"}',
      '{"key":100000000000000000000,"prompt":"z"}',
    );
    expect((await readPrompts(path)).map(({ id }) => id)).toEqual([
      '9007199254740993',
      '9007199254740992',
      '100000000000000000000',
    ]);
  });

  test('a prompt without an id is known by its content wherever it stands', async () => {
    const [a, b] = await readPrompts(fileOf('one.jsonl', { prompt: 'x' }, { prompt: [user('x')] }));
    const [c, d] = await readPrompts(fileOf('two.jsonl', { prompt: [user('x')], more: 1 }, { prompt: 'x' }));
    expect([a.id, b.id]).toEqual([d.id, c.id]);
    expect(a.id).not.toBe(b.id);
  });

  test('a prompt repeated without an id of its own gets one', async () => {
    const prompts = await readPrompts(fileOf('twice.jsonl', { prompt: 'x' }, { prompt: 'x' }, { prompt: 'x' }));
    expect(new Set(prompts.map(({ id }) => id)).size).toBe(3);
  });

  test('the new id of a repeated prompt is none that another row has', async () => {
    // Rows of a file in which selm has numbered a repeated prompt before, with other rows.
    const rows = [
      { id: 'a', prompt: 'x' },
      { id: 'a#2', prompt: 'y' },
      { id: 'a', prompt: 'x' },
    ];
    const prompts = await readPrompts(fileOf('numbered-before.jsonl', ...rows));
    expect(new Set(prompts.map(({ id }) => id)).size).toBe(3);
    expect(await readPrompts(fileOf('numbered-again.jsonl', ...prompts))).toEqual(prompts);
  });

  test('a prompt repeated with its id, in whatever spelling, gets another id', async () => {
    const spellings = ['x y', ' x\ty\n', [user('x y')], [{ content: 'x  y', name: null, role: 'user' }]];
    const prompts = await readPrompts(fileOf('repeated.jsonl', ...spellings.map((prompt) => ({ id: 'a', prompt }))));
    expect(prompts.map(({ prompt }) => prompt)).toEqual(spellings);
    expect(new Set(prompts.map(({ id }) => id)).size).toBe(4);
  });

  test.each([
    [
      [
        { id: 'a', prompt: 'x', tools: [{ name: 'f' }] },
        { id: 'a', prompt: 'x', tools: [{ name: 'g' }] },
      ],
      /line 2 repeats the id "a" of .*line 1 with another prompt; ids must be unique\.$/,
    ],
    [[{ prompt: 'x' }, { prompt: 'y' }, { key: 1 }], /line 3 has no "prompt"; every row needs one\.$/],
    [
      [{ prompt: 5 }],
      /line 1 has a wrong "prompt": expected a non-empty string or a list of \{role, content\} messages\.$/,
    ],
    [[{ prompt: '' }], /line 1 has an empty "prompt"\.$/],
    [
      [{ prompt: [{ role: 'user' }] }],
      /line 1 has a wrong "prompt\.0\.content": expected a string or a list of text parts\.$/,
    ],
    [
      [
        { id: 'a', prompt: 'x' },
        { key: 1, prompt: 'x' },
        { id: 'a', prompt: 'y' },
      ],
      /line 3 repeats the id "a" of .*line 1 with another prompt; ids must be unique\.$/,
    ],
    [[{ prompt: 'x', chosen: [user('x')] }], /line 1 ends "chosen" with a user message; add the answer to it\.$/],
  ])('refuses bad rows by line and field', async (rows, message) => {
    await expect(readPrompts(fileOf('bad.jsonl', ...rows))).rejects.toThrow(message);
  });

  test('chosen and rejected keep only the answer', async () => {
    const prompt = [{ role: 'system', content: 'Be brief.' }, user('Hi'), assistant('Hello.'), user('Bye')];
    const chosen = [...prompt, assistant('See'), assistant('you.')];
    const [record] = await readPrompts(fileOf('chat.jsonl', { prompt, chosen, rejected: [assistant('No.')] }));
    expect(record.chosen).toEqual([assistant('See'), assistant('you.')]);
    expect(record.rejected).toEqual([assistant('No.')]);
    expect(record.prompt).toEqual(prompt);
  });
});

describe('UltraFeedback Parquet', () => {
  const path = fileURLToPath(new URL('../fixtures/ultrafeedback/prefs.parquet', import.meta.url));
  const hash = sha256('Name a color.');

  test('is read as it is', async () => {
    const prompts = await readPrompts(path);
    expect(prompts.map(({ prompt }) => prompt)).toEqual(
      ['Name a color.', 'What is 2 + 2?', 'Name a color.'].map((text) => [user(text)]),
    );
    expect(prompts[0]).toMatchObject({
      id: hash,
      chosen: [assistant('Red.')],
      rejected: [assistant('A dog.')],
      score_chosen: 8.5,
      score_rejected: 3,
    });
    expect(prompts[2].id).not.toBe(hash);
    // The column has 64-bit integers and a null.
    expect(prompts.map(({ tokens }) => tokens)).toEqual([3, undefined, 12]);
    expect(() => JSON.stringify(prompts)).not.toThrow();
  });
});

test("the example's held-out prompts are all of IFEval, in the authors' order and number", async () => {
  const prompts = await readPrompts('examples/ifeval/prompts.jsonl');
  expect(
    prompts.map(({ instruction_id_list: ids }) => (ids as string[]).length).reduce((sum, each) => sum + each),
  ).toBe(834);
  expect(new Set(prompts.map(({ prompt }) => prompt)).size).toBe(541);
  const ids = prompts.map(({ id }) => id);
  expect(ids).toEqual(ids.toSorted((a, b) => (a < b ? -1 : 1)));
});
