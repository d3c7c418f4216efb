/** Preferences as the tokens that are trained on. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { InputError } from '../../../data/errors.ts';
import { writeJsonl } from '../../../data/jsonl.ts';
import type { PreferenceRecord } from '../../../data/records.ts';
import { openLlamaPolicy } from '../../../engine/tokens/policy.ts';
import { Scorer } from '../../../engine/onnx/score.ts';
import { Session } from '../../../engine/onnx/session.ts';
import { preferenceTask } from '../../../engine/onnx/training/preference.ts';
import { preferenceExamples } from '../../../engine/training/preference.ts';
import { checkTokens, tokenizePreferences } from '../../../engine/tokens/preferences.ts';
import { temporaryFolder } from '../../temporary.ts';
import { tinyAdapter, tinyModel } from '../../tiny-model.ts';
import { oneMicroBatch } from '../micro-batch-gradients.ts';

const model = tinyModel(join(temporaryFolder(), 'model'));
const opened = openLlamaPolicy({ model, adapter: tinyAdapter });
const tokenizer = opened.tokenizer();

const row = {
  id: 'p',
  prompt: 'Hello',
  chosen: 'Yes',
  rejected: 'No',
  reference_response: 'Maybe',
  prompt_input_ids: tokenizer.encodePrompt('Hello'),
  // Not the tokens of the texts: responses that were cut, without an end of turn.
  chosen_input_ids: [20, 21, 22, 23],
  rejected_input_ids: [30, 31, 2],
  reference_input_ids: [40, 41, 42],
} satisfies PreferenceRecord;

const ROOM = { maxLength: 64, maxPromptLength: 32 };
const tokens = (rows: PreferenceRecord[], limits = ROOM) =>
  tokenizePreferences(opened, rows, limits, { reference: true });
const nothing = { rows: 1, truncated: 0, equal: 0, promptTooLong: 0, promptNotPrefix: 0 };

test('token ids are used as they are, not the tokens of the texts', async () => {
  const { rows, counts } = await tokens([row]);
  const { prompt_input_ids: prompt } = row;
  expect(rows).toEqual([
    {
      chosen: { prompt, response: row.chosen_input_ids },
      rejected: { prompt, response: row.rejected_input_ids },
      reference: { prompt, response: row.reference_input_ids },
    },
  ]);
  expect(counts).toEqual(nothing);
});

test('a response without token ids is encoded, the others are used as they are', async () => {
  const { chosen_input_ids: _, ...mixed } = row;
  const { rows } = await tokens([mixed]);
  expect(rows[0].chosen.response).toEqual(tokenizer.encodeExchange('Hello', ['Yes']).responses[0]);
  expect(rows[0].rejected.response).toEqual(row.rejected_input_ids);
});

describe('length limits', () => {
  test('cut the beginning of a prompt and the end of responses, and the row is counted', async () => {
    const { rows, counts } = await tokens([row], { maxLength: 5, maxPromptLength: 2 });
    const prompt = row.prompt_input_ids.slice(-2);
    expect(rows[0].chosen).toEqual({ prompt, response: [20, 21, 22] });
    expect(rows[0].rejected).toEqual({ prompt, response: [30, 31, 2] });
    expect(counts).toEqual({ ...nothing, truncated: 1 });
  });

  test('drop and count a row whose chosen and rejected response are the same when cut', async () => {
    const alike = { ...row, rejected_input_ids: [20, 21, 99 - 3, 2] };
    const limits = { maxLength: row.prompt_input_ids.length + 2, maxPromptLength: 32 };
    const { rows, counts } = await tokens([alike, row], limits);
    expect(rows).toHaveLength(1);
    expect(counts).toEqual({ ...nothing, rows: 2, truncated: 2, equal: 1 });
  });

  test('drop a row whose prompt alone reaches them, as in TRL', async () => {
    const { rows, counts } = await tokens([row], { maxLength: row.prompt_input_ids.length, maxPromptLength: 32 });
    expect([rows, counts]).toEqual([[], { ...nothing, promptTooLong: 1 }]);
  });
});

test('errors name a row by its number in the file, whatever range is read', async () => {
  const stray = { ...row, chosen_input_ids: [20, 4711] };
  const read = tokenizePreferences(opened, [row, stray, row], ROOM, { reference: true }, { from: 1, to: 2 });
  await expect(read).rejects.toThrow(/^Row 2: token id 4711 is outside the vocabulary/);
  const { rows, counts } = await tokenizePreferences(
    opened,
    [row, stray, row],
    ROOM,
    { reference: true },
    { from: 2, to: 3 },
  );
  expect([rows.length, counts.rows]).toEqual([1, 1]);
});

test('a row that is longer than the context is cut to it, and counted', async () => {
  const file = join(temporaryFolder(), 'preferences.jsonl');
  const long = { ...row, rejected_input_ids: Array.from({ length: 300 }, () => 7) };
  const prompt = Array.from({ length: 300 }, () => 8);
  await writeJsonl(file, [row, long, { ...row, prompt_input_ids: prompt }]);
  const limits = { maxLength: 1024, maxPromptLength: 512 };
  const { rows, counts } = await tokenizePreferences(opened, file, limits, { reference: true });
  expect(rows.map(({ rejected }) => rejected.response.length)).toEqual([3, 256 - row.prompt_input_ids.length]);
  expect(counts).toEqual({ ...nothing, rows: 3, truncated: 1, promptTooLong: 1 });
});

test('an error names a row by its number in the file, dropped rows included', async () => {
  const file = join(temporaryFolder(), 'preferences.jsonl');
  await writeJsonl(file, [{ ...row, rejected: row.chosen }, row, { ...row, rejected_input_ids: [4711] }]);
  await expect(tokenizePreferences(opened, file, ROOM, { reference: true })).rejects.toThrow(
    /^Row 3: token id 4711 is outside the vocabulary/,
  );
});

test("token ids that are not the text's are an error: of another model, or of a text that was edited", () => {
  const [chosen_input_ids, rejected_input_ids, reference_input_ids] = tokenizer.encodeExchange('Hello', [
    row.chosen,
    row.rejected,
    row.reference_response,
  ]).responses;
  const right = { ...row, chosen_input_ids, rejected_input_ids, reference_input_ids };
  const refused = (wrong: PreferenceRecord) => () => checkTokens([right, wrong], [1, 3], () => tokenizer);
  refused(right)();
  // The response was cut: its tokens have no end of turn.
  refused({ ...right, chosen_input_ids: chosen_input_ids.slice(0, -1) })();
  expect(refused(row)).toThrow(InputError);
  expect(refused({ ...right, rejected: 'Never' })).toThrow(
    /^Row 3: "rejected_input_ids" are not the tokens of the row's text/,
  );
  expect(refused({ ...right, reference_input_ids: [40, 41, 42] })).toThrow(/^Row 3: "reference_input_ids" are not/);
});

describe('responses after different prompts', () => {
  // As with a template that opens an answer differently from how it writes one: the prompt's last tokens differ.
  const shared = row.prompt_input_ids;
  const common = [shared, [...shared, 50, 51]];
  const nothingInCommon = [
    [60, ...shared],
    [61, 62, ...shared],
  ];

  test.each([
    ['of which one goes on', common],
    ['that have nothing in common', nothingInCommon],
  ])(
    '%s are scored and trained on as if each stood alone: what differs of a prompt is no target',
    async (_, [short, long]) => {
      const pair = {
        chosen: { prompt: long, response: [20, 21, 22, 2] },
        rejected: { prompt: short, response: [30, 31, 2] },
        reference: { prompt: long, response: [40, 41] },
      };
      const scorer = await Scorer.open(opened, 2);
      const alone = await scorer.score([pair.chosen, pair.rejected, pair.reference]);
      await scorer.close();
      const [example] = await preferenceExamples([pair], async (rows) => {
        expect(rows).toEqual([pair.chosen, pair.rejected, pair.reference]);
        return alone;
      });
      expect(example.lengths).toEqual([4, 3, 2]);

      const { graph, feeds } = oneMicroBatch(opened, preferenceTask([example], { name: 'dpo', beta: 1 }));
      const session = await Session.open(graph, { folder: opened.model.dataFolder, threads: 2 });
      const outputs = await session.run(feeds);
      await session.close();
      const logps = outputs['logps'].data as Float32Array;
      expect(logps).toHaveLength(3);
      for (const [i, logp] of logps.entries()) expect(logp).toBeCloseTo(alone[i], 4);
      // At its start a policy equals its reference.
      expect((outputs['loss'].data as Float32Array)[0]).toBeCloseTo(Math.log(2), 4);
    },
  );
});
