/** Preference optimization as a training task: its loss, and that equal responses are computed once. */
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { InputError } from '../../../../data/errors.ts';
import { LocalEngine } from '../../../../engine/onnx/engine.ts';
import { openLlamaPolicy } from '../../../../engine/tokens/policy.ts';
import type { ObjectiveSettings } from '../../../../engine/protocol/settings.ts';
import { preferenceTask } from '../../../../engine/onnx/training/preference.ts';
import { preferenceExamples, type PreferenceExample } from '../../../../engine/training/preference.ts';
import { microBatchGradients } from '../../micro-batch-gradients.ts';
import { readJson, referenceCase, ROLES, tokenized, undisturbed, type Pair, type Roles } from '../../reference-case.ts';
import { temporaryFolder } from '../../../temporary.ts';

const scratch = temporaryFolder();
const engine = new LocalEngine();
afterAll(() => engine.close());

const { folder, model, policy, pairs, expected, optimizeJob } = referenceCase('llama');
const { beta, alpha } = expected;
const training = { epochs: 2, shuffle: false };

const optimize = async (name: string, objective: ObjectiveSettings) => {
  const { metrics } = await engine.run(
    'optimize',
    { ...optimizeJob(join(scratch, name), training), objective },
    undisturbed,
  );
  return metrics.map(({ 'tokens/s': _speed, ...row }) => row);
};

test("DPO's loss is -log sigmoid of the scaled margin of PyTorch's log-ratios", async () => {
  const { steps } = readJson<{ steps: { policy_logps: Roles<number>[] }[] }>(join(folder, 'expected.json'));
  const [first] = await optimize('dpo', { name: 'dpo', beta });
  const losses = steps[0].policy_logps.map((logp, i) => {
    const ratio = (role: keyof Roles<number>) => logp[role] - expected.reference_logps[i][role];
    return Math.log(1 + Math.exp(-beta * (ratio('chosen') - ratio('rejected'))));
  });
  expect(first.loss).toBeCloseTo(losses.reduce((a, b) => a + b) / losses.length, 5);
});

test('a fresh adapter starts as its model: no margin, no optimism, a loss of ln 2', async () => {
  const job = optimizeJob(join(scratch, 'fresh'), { ...training, lora: { rank: 2, rslora: true } });
  const { metrics } = await engine.run('optimize', { ...job, policy: { model }, reference: { model } }, undisturbed);
  expect(metrics[0].loss).toBeCloseTo(Math.LN2, 5);
  expect(metrics[0]['rewards/margins']).toBeCloseTo(0, 5);
  expect(metrics[1].loss).toBeLessThan(Math.LN2 - 1e-4);
});

test('SELM without optimism is DPO', async () => {
  const [selm, dpo] = [
    await optimize('selm-0', { name: 'selm', beta, alpha: 0 }),
    await optimize('dpo-0', { name: 'dpo', beta }),
  ];
  expect(selm).toEqual(dpo);
  expect(await optimize('selm-1', { name: 'selm', beta, alpha: 1 })).not.toEqual(dpo);
});

const withoutReference = (objective: ObjectiveSettings) => {
  const { rows, ...rest } = optimizeJob(join(scratch, `without-${objective.name}`), training);
  const without = rows.map(({ reference_input_ids: _reference, ...row }) => row) as typeof rows;
  return { ...rest, rows: without, objective };
};

describe('a preference without a reference response', () => {
  test('is enough for DPO', async () => {
    const { metrics } = await engine.run('optimize', withoutReference({ name: 'dpo', beta }), undisturbed);
    const [first] = await optimize('dpo-with', { name: 'dpo', beta });
    expect(metrics[0].loss).toBeCloseTo(first.loss, 6);
  });

  test('is refused for SELM, by row', async () => {
    const refused = engine.run('optimize', withoutReference({ name: 'selm', beta, alpha }), undisturbed);
    await expect(refused).rejects.toThrow(InputError);
    await expect(refused).rejects.toThrow(/^Row 1: it has no "reference_input_ids"/);
  });
});

/** Log-probabilities that differ between responses. */
const fakeLogp = (response: number[]) => -response.reduce((total, id) => total + id, 0) / 50;
const scoreReference = (rows: { response: number[] }[]) =>
  Promise.resolve(Float64Array.from(rows, ({ response }) => fakeLogp(response)));

describe('a reference response that is', () => {
  test.each(['chosen', 'rejected'] as const)('the %s one is computed once', async (same) => {
    const pair: Pair = { ...pairs[0], reference: [...pairs[0][same]] };
    const scored: number[][] = [];
    const [example] = await preferenceExamples([tokenized(pair)], (rows) => {
      scored.push(...rows.map(({ response }) => response));
      return scoreReference(rows);
    });
    expect(scored).toEqual([pair.chosen, pair.rejected]);
    expect(example.group.responses).toEqual([pair.chosen, pair.rejected]);
    expect(example.reference).toBe(example[same]);

    // The same preference with all three responses computed separately.
    const apart: PreferenceExample = {
      group: { prompt: pair.prompt, responses: ROLES.map((role) => pair[role]) },
      chosen: 0,
      rejected: 1,
      reference: 2,
      lengths: ROLES.map((role) => pair[role].length),
      referenceLogps: ROLES.map((role) => fakeLogp(pair[role])),
    };
    const opened = openLlamaPolicy(policy);
    const [once, thrice] = [
      await microBatchGradients(opened, preferenceTask([example], { name: 'selm', beta, alpha: 0.5 })),
      await microBatchGradients(opened, preferenceTask([apart], { name: 'selm', beta, alpha: 0.5 })),
    ];
    for (const [key, gradient] of thrice) {
      const largest = gradient.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      const worst = gradient.reduce((most, value, i) => Math.max(most, Math.abs(value - once.get(key)![i])), 0);
      expect(worst / largest, key).toBeLessThan(1e-4);
    }
  });

  test('neither is computed beside them', async () => {
    const [example] = await preferenceExamples([tokenized(pairs[0])], scoreReference);
    expect(example.group.responses).toEqual(ROLES.map((role) => pairs[0][role]));
    expect(example.referenceLogps).toEqual(ROLES.map((role) => fakeLogp(pairs[0][role])));
  });
});
