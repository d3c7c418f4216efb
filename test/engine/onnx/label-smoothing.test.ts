/** Label smoothing (cDPO) and the SFT term of RPO against TRL's losses and gradients (see test/fixtures/label-smoothing). */
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { optimizeCommand } from '../../../cli/commands/optimize.ts';
import { SettingsFlags } from '../../../cli/settings.ts';
import { describeRowCounts } from '../../../data/row-counts.ts';
import { LocalEngine } from '../../../engine/onnx/engine.ts';
import { preferenceTask } from '../../../engine/onnx/training/preference.ts';
import { objectiveSchema, type ObjectiveSettings } from '../../../engine/protocol/settings.ts';
import { openLlamaPolicy } from '../../../engine/tokens/policy.ts';
import { preferenceExamples, smoothed } from '../../../engine/training/preference.ts';
import { temporaryFolder } from '../../temporary.ts';
import { expectGradients, microBatchGradients } from '../micro-batch-gradients.ts';
import { fixture, readJson, referenceCase, ROLES, tokenized, undisturbed, type Roles } from '../reference-case.ts';

interface Expected {
  reference_logps: Roles<number>[];
  /** Of each preference; null where nobody was asked. */
  confidence: (number | null)[];
  objectives: Record<string, { settings: ObjectiveSettings; losses: number[] }>;
}

const scratch = temporaryFolder();
const engine = new LocalEngine();
afterAll(() => engine.close());

const { policy, reference, pairs, optimizeJob } = referenceCase('llama');
const expected = readJson<Expected>(fixture('label-smoothing/expected.json'));
const withConfidence = <R extends object>(rows: R[], confidence = expected.confidence) =>
  rows.map((row, i) => ({ ...row, ...(confidence[i] !== null && { confidence: confidence[i] }) }));

/** Trains on one preference at a time, with a learning rate too small to change anything. */
let folders = 0;
const optimize = (objective: ObjectiveSettings, confidence = expected.confidence) => {
  const job = optimizeJob(join(scratch, String(folders++)), { learningRate: 1e-12, batchSize: 1, shuffle: false });
  return engine.run(
    'optimize',
    { ...job, rows: withConfidence(job.rows, confidence), objective, reference },
    undisturbed,
  );
};

describe.each(Object.entries(expected.objectives))('%s', (name, { settings, losses }) => {
  test('the loss of every preference', async () => {
    const { metrics } = await optimize(objectiveSchema.parse(settings));
    expect(metrics).toHaveLength(losses.length);
    for (const [i, { loss }] of metrics.entries()) expect(Math.abs(loss / losses[i] - 1)).toBeLessThan(1e-4);
  });

  test('every LoRA gradient', async () => {
    const logps = new Map(
      pairs.flatMap((pair, i) =>
        ROLES.map((role) => [`${pair.prompt}|${pair[role]}`, expected.reference_logps[i][role]] as const),
      ),
    );
    const rows = withConfidence(pairs.map(tokenized));
    const examples = await preferenceExamples(rows, (responses) =>
      Promise.resolve(Float64Array.from(responses, ({ prompt, response }) => logps.get(`${prompt}|${response}`)!)),
    );
    const task = preferenceTask(smoothed(examples, rows, settings), settings);
    expectGradients(
      await microBatchGradients(openLlamaPolicy(policy), task),
      fixture(`label-smoothing/${name}.safetensors`),
    );
  });
});

describe('by agreement', () => {
  const objective = objectiveSchema.parse({ name: 'dpo', beta: 0.1, labelSmoothing: 'agreement' });

  test('preferences without a confidence are counted and not smoothed', async () => {
    const { rows, metrics } = await optimize(objective, [0.9, null, null]);
    expect(rows.noConfidence).toBe(2);
    expect(describeRowCounts(rows)).toEqual([
      '2 of 3 training rows have no confidence: label smoothing by agreement left them as they are.',
    ]);
    const plain = await optimize(objectiveSchema.parse({ name: 'dpo', beta: 0.1 }));
    expect(plain.rows).not.toHaveProperty('noConfidence');
    expect(metrics[0].loss).not.toBe(plain.metrics[0].loss);
    expect(metrics.slice(1).map(({ loss }) => loss)).toEqual(plain.metrics.slice(1).map(({ loss }) => loss));
  });

  test.each([0.5, 0.2, 1.5])('a confidence of %d is refused, with its row', async (confidence) => {
    await expect(optimize(objective, [0.9, confidence, null])).rejects.toThrow(
      `Row 2: its "confidence" is ${confidence}: give the probability that chosen is better`,
    );
    // Nothing else reads it.
    await optimize(objectiveSchema.parse({ name: 'dpo', beta: 0.1 }), [0.9, confidence, null]);
  });
});

describe('the setting', () => {
  test('0 is the default: the same training has the same step key', () => {
    const plain = objectiveSchema.parse({ name: 'selm' });
    expect(objectiveSchema.parse({ name: 'selm', labelSmoothing: 0 })).toStrictEqual(plain);
    expect(plain).not.toHaveProperty('labelSmoothing');
  });

  test('is refused for ipo, by name', () => {
    const { error } = objectiveSchema.safeParse({ name: 'ipo', labelSmoothing: 0.1 });
    expect(error!.issues).toMatchObject([
      { path: ['labelSmoothing'], message: 'the ipo objective has no labelSmoothing, remove it' },
    ]);
  });

  test('is a flag that takes a number or "agreement"', () => {
    const flags = new SettingsFlags(objectiveSchema);
    expect(flags.read({ labelSmoothing: '0.1' })).toMatchObject({ labelSmoothing: 0.1 });
    expect(flags.read({ labelSmoothing: 'agreement' })).toMatchObject({ labelSmoothing: 'agreement' });
    const refusals = {
      '0.5': 'expected number to be <0.5',
      '-0.1': 'expected number to be >=0',
      votes: 'expected a number of at least 0 and less than 0.5, or "agreement"',
    };
    for (const [given, problem] of Object.entries(refusals)) {
      const read = () => flags.read({ labelSmoothing: given });
      expect(read).toThrow(`--label-smoothing ${given} is not valid: ${problem}; see --help.`);
    }
    expect(optimizeCommand().helpInformation()).toContain('--label-smoothing <number|agreement>');
  });
});
