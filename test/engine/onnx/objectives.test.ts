/** Every objective against PyTorch's losses and gradients (see test/fixtures/objectives). */
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { LocalEngine } from '../../../engine/onnx/engine.ts';
import type { Policy } from '../../../engine/protocol/jobs.ts';
import { openLlamaPolicy } from '../../../engine/tokens/policy.ts';
import { objectiveSchema, type ObjectiveName } from '../../../engine/protocol/settings.ts';
import { preferenceTask } from '../../../engine/onnx/training/preference.ts';
import { preferenceExamples } from '../../../engine/training/preference.ts';
import { temporaryFolder } from '../../temporary.ts';
import { expectGradients, microBatchGradients } from '../micro-batch-gradients.ts';
import { fixture, readJson, referenceCase, tokenized, undisturbed, type Roles } from '../reference-case.ts';

interface Expected {
  reference_logps: Roles<number>[];
  policy_logps: Roles<number>[];
  objectives: Record<ObjectiveName, { settings: object; losses: number[]; loss: number }>;
}

const scratch = temporaryFolder();
const engine = new LocalEngine();
afterAll(() => engine.close());

const { policy, reference, pairs, optimizeJob } = referenceCase('llama');
const expected = readJson<Expected>(fixture('objectives/expected.json'));
const names = Object.keys(expected.objectives) as ObjectiveName[];

const objectiveOf = (name: ObjectiveName) => objectiveSchema.parse({ name, ...expected.objectives[name].settings });

/** The loss of each preference: trains on one at a time, with a learning rate too small to change anything. */
const optimize = (name: ObjectiveName, out: string, from: Policy = reference) => {
  const job = optimizeJob(join(scratch, out), { learningRate: 1e-12, batchSize: 1, shuffle: false });
  return engine.run('optimize', { ...job, objective: objectiveOf(name), reference: from }, undisturbed);
};

describe.each(names)('%s', (name) => {
  const { losses } = expected.objectives[name];

  test('the loss of every preference', async () => {
    const { metrics } = await optimize(name, name);
    expect(metrics).toHaveLength(losses.length);
    for (const [i, { loss }] of metrics.entries()) expect(Math.abs(loss / losses[i] - 1)).toBeLessThan(1e-4);
  });

  test('every LoRA gradient', async () => {
    const byResponse = new Map(
      pairs.flatMap((pair, i) =>
        (['chosen', 'rejected', 'reference'] as const).map(
          (role) => [`${pair.prompt}|${pair[role]}`, expected.reference_logps[i][role]] as const,
        ),
      ),
    );
    const examples = await preferenceExamples(pairs.map(tokenized), (rows) =>
      Promise.resolve(Float64Array.from(rows, ({ prompt, response }) => byResponse.get(`${prompt}|${response}`)!)),
    );
    const gradients = await microBatchGradients(openLlamaPolicy(policy), preferenceTask(examples, objectiveOf(name)));
    expectGradients(gradients, fixture(`objectives/${name}.safetensors`));
  });
});

test("SimPO's rewards are mean log-probabilities, and its reference policy is not opened", async () => {
  const { metrics } = await optimize('simpo', 'no-reference', { model: '/nowhere' });
  for (const [i, row] of metrics.entries()) {
    const reward = 2 * (expected.policy_logps[i].chosen / pairs[i].chosen.length);
    expect(row['rewards/chosen']).toBeCloseTo(reward, 4);
    expect(Math.abs(row.loss / expected.objectives.simpo.losses[i] - 1)).toBeLessThan(1e-4);
  }
});

test("length-normalized DPO's rewards are means over tokens", async () => {
  const { metrics } = await optimize('ln-dpo', 'per-token');
  for (const [i, row] of metrics.entries()) {
    const ratio = expected.policy_logps[i].chosen - expected.reference_logps[i].chosen;
    expect(row['rewards/chosen']).toBeCloseTo((5 * ratio) / pairs[i].chosen.length, 4);
  }
});

describe('an objective takes its own settings only', () => {
  test.each([
    [{}, { name: 'selm', beta: 0.01, alpha: 1e-3 }],
    [{ name: 'dpo' }, { name: 'dpo', beta: 0.01 }],
    [
      { name: 'simpo', gamma: 0.5 },
      { name: 'simpo', beta: 2, gamma: 0.5 },
    ],
    [
      { name: 'r-dpo', sftWeight: 0 },
      { name: 'r-dpo', beta: 0.01, lengthPenalty: 0.01 },
    ],
    [
      { name: 'geb', sftWeight: 1 },
      { name: 'geb', beta: 0.1, alpha: 1, sftWeight: 1 },
    ],
  ])('%j', (given, settings) => expect(objectiveSchema.parse(given)).toStrictEqual(settings));

  test.each([
    { name: 'dpo', alpha: 0.1 },
    { name: 'ipo', gamma: 1 },
    { name: 'selm', gamma: 1 },
    { name: 'simpo', alpha: 1 },
    { name: 'dpo', lengthPenalty: 0.1 },
    { name: 'ln-dpo', alpha: 1 },
  ])('%j is refused', (given) => expect(objectiveSchema.safeParse(given).success).toBe(false));
});
