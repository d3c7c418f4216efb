/** Rows with `chat_template_kwargs`, against TRL's trainers: test/fixtures/template-inputs/make_template_inputs.py. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { preferencesOf as labeledPreferences } from '../../../labelers/preferences.ts';
import { readPrompts } from '../../../data/prompts.ts';
import { readDemonstrations, readPreferences } from '../../../data/readers.ts';
import type { PreferenceRecord } from '../../../data/records.ts';
import { readModelConfig } from '../../../engine/model-files/config.ts';
import { loadTokenizer } from '../../../engine/tokenizer/tokenizer.ts';
import { tokenizeDemonstration } from '../../../engine/tokens/demonstrations.ts';
import { tokenizePreferences } from '../../../engine/tokens/preferences.ts';
import { tokenizePrompt } from '../../../engine/tokens/prompts.ts';
import { encodeResponse } from '../../../engine/tokens/responses.ts';
import { temporaryFolder } from '../../temporary.ts';

interface Expected {
  template: string;
  preferences: { row: object; prompt_ids: number[]; chosen_ids: number[]; rejected_ids: number[] }[];
  completions: { row: object; input_ids: number[]; labels: number[] }[];
  messages: { row: object; input_ids: number[] }[];
  prompts: { row: object; ids: number[] }[];
  defaults: { arguments: Record<string, unknown>; ids: number[][] };
}
const fixtures = new URL('../../fixtures/', import.meta.url).pathname;
const expected = JSON.parse(readFileSync(join(fixtures, 'template-inputs/expected.json'), 'utf8')) as Expected;
const folder = join(fixtures, 'chat-templates/cases/tools-column');
const config = readModelConfig(folder);
const { template } = expected;
const tokenizer = loadTokenizer(folder, { template });
const policy = { model: { folder, config }, tokenizer: () => tokenizer };
const LIMITS = { maxLength: 512, maxPromptLength: 256 };
const ROOM = { maxPromptLength: 256, maxNewTokens: 8 };

const home = temporaryFolder();
let files = 0;
function write(rows: object[]): string {
  const file = join(home, `${files++}.jsonl`);
  writeFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return file;
}
const rowsOf = (list: { row: object }[]) => write(list.map(({ row }) => row));
/** selm's sequences end with the end of the turn; the template writes a newline after it, which TRL trains on, too. */
const [newline] = tokenizer.encodeText('\n');
const withNewline = (ids: number[]) => [...ids, newline];

describe('are rendered as in TRL', () => {
  test('in preferences, with tools and without', async () => {
    const { rows: read } = await readPreferences(rowsOf(expected.preferences));
    const { rows } = await tokenizePreferences(policy, read, LIMITS, { reference: false });
    expect(
      rows.map(({ chosen, rejected }) => ({
        prompt_ids: chosen.prompt,
        chosen_ids: withNewline(chosen.response),
        rejected_ids: withNewline(rejected.response),
      })),
    ).toEqual(
      expected.preferences.map(({ prompt_ids, chosen_ids, rejected_ids }) => ({
        prompt_ids,
        chosen_ids,
        rejected_ids,
      })),
    );
  });

  test('in rows of prompt and completion', async () => {
    const rows = await readDemonstrations(rowsOf(expected.completions));
    for (const [i, { input_ids, labels }] of expected.completions.entries()) {
      const { prompt, response } = tokenizeDemonstration(policy, rows[i], LIMITS).tokens!;
      expect(withNewline([...prompt, ...response])).toEqual(input_ids);
      expect(prompt).toHaveLength(labels.findIndex((label) => label !== -100));
    }
  });

  test('in conversations', async () => {
    const rows = await readDemonstrations(rowsOf(expected.messages));
    for (const [i, { input_ids }] of expected.messages.entries()) {
      const { prompt, response } = tokenizeDemonstration(policy, rows[i], LIMITS).tokens!;
      expect(withNewline([...prompt, ...response])).toEqual(input_ids);
    }
  });

  test('in prompts to sample, over the arguments of the settings', async () => {
    const rows = await readPrompts(rowsOf(expected.prompts));
    const tokens = rows.map((row) => tokenizePrompt(row, tokenizer, config, ROOM));
    expect(tokens).toEqual(expected.prompts.map(({ ids }) => ids));
    const { arguments: given, ids } = expected.defaults;
    const other = loadTokenizer(folder, { template, arguments: given });
    expect(rows.map((row) => tokenizePrompt(row, other, config, ROOM))).toEqual(ids);
    // The prompt of a sampled response that is scored.
    const scored = rows.map((row) => encodeResponse(policy, { ...row, response_input_ids: [1] }).prompt);
    expect(scored).toEqual(tokens);
  });
});

test('a preference that a labeler makes keeps them', () => {
  const given = { enable_thinking: false };
  const row = { id: 'a', prompt: 'Hi', chat_template_kwargs: given, responses: [{ text: 'A' }, { text: 'B' }] };
  const labels = [{ id: 'a', candidates: [0, 1].map((index) => ({ index, score: index })) }];
  const made = labeledPreferences([row], { labels, counts: {} }, [row]);
  expect([...made.preferences].map((each) => (each as PreferenceRecord).chat_template_kwargs)).toEqual([given]);
});

const read = (given: unknown) => readPrompts(write([{ prompt: 'Hi', chat_template_kwargs: given }]));

describe('a row is rejected', () => {
  test.each([['{"enable_thinking": false}'], [['enable_thinking']], [3]])('with %s', async (given) => {
    await expect(read(given)).rejects.toThrow(
      /\.jsonl line 1 has a wrong "chat_template_kwargs": expected an object of variables of the chat template\.$/,
    );
  });

  test.each(['tools', 'messages', 'add_generation_prompt', 'chat_template', 'tokenize'])(
    'with a parameter of apply_chat_template: %s',
    async (name) => {
      const [row] = await read({ [name]: true });
      expect(() => tokenizePrompt(row, tokenizer, config, ROOM)).toThrow(
        `Prompt "${row.id}": the chat template's arguments (chatTemplate.arguments, chat_template_kwargs) include "${name}", ` +
          'which is not a variable that they can set: remove it.',
      );
      expect(() => loadTokenizer(folder, { arguments: { [name]: true } })).toThrow(`include "${name}"`);
    },
  );
});

const encode = (of: typeof tokenizer, persona: string) => of.encodePrompt('Hi', { arguments: { persona } });

test('a template with many different arguments is the same as with each of them alone', () => {
  const names = Array.from({ length: 100 }, (_, i) => `Number ${i % 70}.`);
  const fresh = names.map((name) => encode(loadTokenizer(folder, { template }), name));
  expect(names.map((name) => encode(tokenizer, name))).toEqual(fresh);
});
