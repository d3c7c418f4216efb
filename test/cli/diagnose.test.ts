/** `selm diagnose` against numbers of PyTorch's log-probabilities (see test/fixtures/diagnose). */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Diagnosis } from '../../activities/diagnose.ts';
import { writeJsonl } from '../../data/jsonl.ts';
import type { TokenizedPreferenceRecord } from '../../data/records.ts';
import { selm, summaryOf } from '../command.ts';
import { fixture, readJson, referenceCase } from '../engine/reference-case.ts';
import { temporaryFolder } from '../temporary.ts';

const folder = temporaryFolder();
const { pairs, model, policy, reference, optimizeJob } = referenceCase('llama');
const { beta, ...expected } = readJson<Pick<Diagnosis, 'accuracy' | 'chosen' | 'drift'> & { beta: number }>(
  fixture('diagnose/expected.json'),
);

test('accuracy, scale and drift of two adapters, side by side', async () => {
  const [preferences, unseen] = [join(folder, 'preferences.jsonl'), join(folder, 'unseen.jsonl')];
  const rows = optimizeJob(folder, {}).rows as TokenizedPreferenceRecord[];
  await writeJsonl(preferences, [...rows, { ...rows[0], rejected_input_ids: rows[0].chosen_input_ids }]);
  await writeJsonl(unseen, pairs.map(({ prompt, reference: answer }) => ({ prompt_input_ids: prompt, response_input_ids: answer }))); // prettier-ignore
  const diagnosed = ['diagnose', '--model', model, '--adapter', policy.adapter, reference.adapter, '--reference-adapter', reference.adapter, '--preferences', preferences, '--unseen', unseen, '--beta', String(beta)]; // prettier-ignore
  const [ended, told] = await Promise.all([selm([...diagnosed, '--json'], {}), selm(diagnosed, {})]);
  expect(ended).toMatchObject({ code: 0, stderr: '' });
  const { adapters, ...counted } = summaryOf<{ adapters: Diagnosis[] }>(ended);
  expect(counted).toEqual({ beta, rows: rows.length, dropped: { equal: 1 } });
  expect(told.stdout).toMatch(/\nDropped 1 row with equal chosen and rejected responses\.\n$/);
  const near = (value: unknown): unknown =>
    typeof value === 'number' ? expect.closeTo(value, 4) : Object.fromEntries(Object.entries(value as object).map(([key, inner]) => [key, near(inner)])); // prettier-ignore
  expect(adapters[0]).toMatchObject(near(expected) as object);
  // The reference policy beside itself: no reward, no drift.
  expect(adapters[1]).toMatchObject({ accuracy: 0, margin: { mean: 0, sd: 0 }, drift: { perToken: 0, raised: 0 } });
});
