/**
 * Texts of responses that were cut. The ids are those of transformers 5.24: of the prompt with the header of the answer, with the text
 * behind it, and of the conversation up to the end of its turn; with `continue_final_message` if the response has several turns.
 */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { PreferenceRecord } from '../../../data/records.ts';
import { readModelConfig } from '../../../engine/model-files/config.ts';
import { loadTokenizer } from '../../../engine/tokenizer/tokenizer.ts';
import { tokenizePreferences } from '../../../engine/tokens/preferences.ts';

const folder = join(import.meta.dirname, '../../fixtures/chat-templates/cases/tools-column');
const tokenizer = loadTokenizer(folder);
const policy = { model: { folder, config: readModelConfig(folder) }, tokenizer: () => tokenizer };

const prompt = [1, 87, 85, 264, 201, 51, 19, 2, 201, 1, 347, 85, 75, 312, 353, 86, 201];
const cut = [35, 223, 443, 314, 273, 73, 465, 264, 380, 274, 347, 313, 417, 323, 293, 289, 75, 70];
// The template writes an empty thought before an answer that has ended.
const thought = [600, 201, 201, 601, 201, 201];
const END = 2;
const short = [...thought, 520, 501, END];

const CUT = 'A very long answer that was cut in the mid';
const row = { id: 'a', prompt: 'Q1', chosen: CUT, rejected: 'short' } satisfies PreferenceRecord;
const assistant = (content: string, more: object = {}) => ({ role: 'assistant', content, ...more });

async function tokens(given: PreferenceRecord) {
  const limits = { maxLength: 128, maxPromptLength: 64 };
  const { rows, counts } = await tokenizePreferences(policy, [given], limits, { reference: false });
  expect(counts).toMatchObject({ promptNotPrefix: 0, equal: 0 });
  return rows[0];
}

test('nothing ends them', async () => {
  const { chosen, rejected } = await tokens({ ...row, chosen_finish_reason: 'length' });
  expect(chosen).toEqual({ prompt, response: cut });
  expect(rejected).toEqual({ prompt, response: short });
  // Equal prompts are one array: the trainer computes them once.
  expect(chosen.prompt).toBe(rejected.prompt);
});

test('a reference response is one of them if the preference says so of it', async () => {
  const reference = { reference_response: CUT, reference_finish_reason: 'length' as const };
  expect((await tokens({ ...row, ...reference })).reference).toEqual({ prompt, response: cut });
  const ended = (await tokens({ ...row, chosen_finish_reason: 'stop' })).chosen;
  expect(ended).toEqual({ prompt, response: [...thought, ...cut, END] });
});

test('only the last of several turns is one of them', async () => {
  const chosen = [assistant('short'), { role: 'user', content: 'Q2' }, assistant(CUT)];
  const conversation = { ...row, prompt: [{ role: 'user', content: 'Q1' }], chosen, rejected: [assistant('short')] };
  const given = await tokens({ ...conversation, chosen_finish_reason: 'length' });
  // Of earlier turns the template writes no thought.
  const first = [520, 501, END];
  const question = [201, 1, 87, 85, 264, 201, 51, 20, 2, 201, 1, 347, 85, 75, 312, 353, 86, 201];
  expect(given.chosen).toEqual({ prompt, response: [...first, ...question, ...thought, ...cut] });
  expect(given.rejected).toEqual({ prompt, response: short });
});

test('an empty one ends, as a response needs a token', async () => {
  const { rejected } = await tokens({ ...row, rejected: '', rejected_finish_reason: 'length' });
  expect(rejected).toEqual({ prompt, response: [...thought, END] });
});

test('token ids are used as they are, whatever is said of the text', async () => {
  const ids = { prompt_input_ids: [1, 5], chosen_input_ids: [7, END] };
  const { chosen } = await tokens({ ...row, ...ids, chosen_finish_reason: 'length' });
  expect(chosen).toEqual({ prompt: [1, 5], response: [7, END] });
});

test('a message that is more than a text has no beginning that is known', async () => {
  const chosen = [assistant(CUT, { reasoning_content: 'Hm.' })];
  await expect(tokens({ ...row, chosen, chosen_finish_reason: 'length' })).rejects.toThrow(
    'Row 1: its "chosen_finish_reason" is length, and its response ends with more than a text (tool calls, reasoning, parts): ' +
      'give its token ids, or leave the row out.',
  );
});
