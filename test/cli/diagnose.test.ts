/** `selm diagnose` against numbers of PyTorch's log-probabilities (see test/fixtures/diagnose). */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Diagnosis } from '../../evaluation/diagnose.ts';
import { writeJsonl } from '../../data/jsonl.ts';
import type { TokenizedPreferenceRecord } from '../../data/records.ts';
import { selm, summaryOf } from '../command.ts';
import { readModelConfig } from '../../engine/model-files/config.ts';
import { loadTokenizer } from '../../engine/tokenizer/tokenizer.ts';
import { fixture, readJson, referenceCase } from '../engine/reference-case.ts';
import { temporaryFolder } from '../temporary.ts';
import { tinyAdapter, tinyModel } from '../tiny-model.ts';

const folder = temporaryFolder();
const { pairs, model, policy, reference, optimizeJob } = referenceCase('llama');
const { beta, ...expected } = readJson<Pick<Diagnosis, 'accuracy' | 'chosen' | 'drift'> & { beta: number }>(
  fixture('diagnose/expected.json'),
);

const { maxPositions } = readModelConfig(model);
const tooLong = Array.from({ length: maxPositions }, () => 5);

test('accuracy, scale and drift of two adapters, side by side', async () => {
  const [preferences, unseen] = [join(folder, 'preferences.jsonl'), join(folder, 'unseen.jsonl')];
  const rows = optimizeJob(folder, {}).rows as TokenizedPreferenceRecord[];
  const unread = [
    { ...rows[0], rejected_input_ids: rows[0].chosen_input_ids },
    { ...rows[0], chosen_input_ids: tooLong },
    { ...rows[0], rejected_input_ids: tooLong },
  ];
  await writeJsonl(preferences, [...unread, ...rows]);
  const answers = pairs.map(({ prompt, reference: answer }) => ({
    prompt_input_ids: prompt,
    response_input_ids: answer,
  }));
  await writeJsonl(unseen, [{ ...answers[0], response_input_ids: tooLong }, ...answers]);
  const diagnosed = [
    'diagnose',
    '--model',
    model,
    '--adapter',
    policy.adapter,
    reference.adapter,
    '--reference-adapter',
    reference.adapter,
    '--preferences',
    preferences,
    '--unseen',
    unseen,
    '--beta',
    String(beta),
  ];
  const [ended, told] = await Promise.all([selm([...diagnosed, '--json'], {}), selm(diagnosed, {})]);
  expect(ended).toMatchObject({ code: 0, stderr: '' });
  const { adapters, ...counted } = summaryOf<{ adapters: Diagnosis[] }>(ended);
  expect(counted).toEqual({
    beta,
    rows: rows.length,
    dropped: { equal: 1, tooLong: 2, unseenTooLong: 1 },
    non_prefix_rows: 0,
  });
  expect(told.stdout.split('\n').slice(-4)).toEqual([
    'Dropped 1 row with equal chosen and rejected responses.',
    `Dropped 2 rows with a response that is, after its prompt, longer than the ${maxPositions} tokens of the model's context.`,
    `Dropped 1 row of --unseen, longer than the ${maxPositions} tokens of the model's context.`,
    '',
  ]);
  const near = (value: unknown): unknown =>
    typeof value === 'number'
      ? expect.closeTo(value, 4)
      : Object.fromEntries(Object.entries(value as object).map(([key, inner]) => [key, near(inner)]));
  expect(adapters[0]).toMatchObject(near(expected) as object);
  // The reference policy beside itself: no reward, no drift.
  expect(adapters[1]).toMatchObject({ accuracy: 0, margin: { mean: 0, sd: 0 }, drift: { perToken: 0, raised: 0 } });
});

test('a row that cannot be read is named by its number in the file, and so is a file whose rows are all too long', async () => {
  const preferences = join(folder, 'refused.jsonl');
  const [row] = optimizeJob(folder, {}).rows as TokenizedPreferenceRecord[];
  const refused = async (...rows: object[]) => {
    await writeJsonl(preferences, rows);
    return selm(['diagnose', '--model', model, '--adapter', policy.adapter, '--preferences', preferences], {});
  };
  const equal = { ...row, rejected_input_ids: row.chosen_input_ids };
  expect(await refused(equal, row, { ...row, chosen_input_ids: [1e6] })).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/^selm: Row 3: token id 1000000 is outside the vocabulary/) as string,
  });
  expect(await refused(equal, { ...row, chosen_input_ids: tooLong })).toMatchObject({
    code: 2,
    stderr: `selm: All preferences of ${preferences} are longer than the ${maxPositions} tokens of the model's context: shorten them.\n`,
  });
});

test('a text that was cut is scored without an end', async () => {
  const tiny = tinyModel(join(folder, 'tiny'));
  const tokenizer = loadTokenizer(tiny);
  const texts = { prompt: 'Hello', chosen: 'Yes', rejected: 'No' };
  const [cut, ended] = tokenizer.encodeExchange('Hello', ['Yes', 'No']).responses;
  const ids = { prompt_input_ids: tokenizer.encodePrompt('Hello'), rejected_input_ids: ended };
  const diagnosed = async (row: object) => {
    const file = join(folder, 'cut.jsonl');
    await writeJsonl(file, [row]);
    const args = ['diagnose', '--model', tiny, '--adapter', tinyAdapter, '--preferences', file, '--json'];
    return summaryOf<object>(await selm(args, {}));
  };
  const open = await diagnosed({ ...texts, chosen_finish_reason: 'length' });
  // The tokens of a cut response are all but the one that ends it.
  expect(open).toEqual(await diagnosed({ ...ids, chosen_input_ids: cut.slice(0, -1) }));
  expect(open).not.toEqual(await diagnosed(texts));
});
