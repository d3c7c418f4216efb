import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { InputError } from '../../../../data/errors.ts';
import type { DemonstrationRecord } from '../../../../data/records.ts';
import { LocalEngine } from '../../../../engine/onnx/engine.ts';
import { trainingSchema } from '../../../../engine/protocol/settings.ts';
import { temporaryFolder } from '../../../temporary.ts';

const fixtures = new URL('../../../fixtures/sft/', import.meta.url).pathname;
const expected = JSON.parse(readFileSync(join(fixtures, 'expected.json'), 'utf8')) as {
  rows: DemonstrationRecord[];
  completion_tokens: number;
  loss: number;
};
const folder = temporaryFolder();
const engine = new LocalEngine();
const undisturbed = { onProgress: () => {}, aborted: () => false };

const sft = (
  name: string,
  rows: DemonstrationRecord[],
  limits: { maxLength?: number; maxPromptLength?: number } = {},
) =>
  engine.run(
    'sft',
    {
      policy: { model: join(fixtures, 'model') },
      rows,
      training: trainingSchema.parse({ batchSize: 3, ...limits }),
      seed: 0,
      outDir: join(folder, name),
      threads: 1,
    },
    undisturbed,
  );

test("the loss of conversations of several turns is PyTorch's, over the assistant's tokens alone", async () => {
  const { metrics, rows } = await sft('trained', expected.rows);
  expect(metrics).toHaveLength(1);
  expect(metrics[0]['completion_tokens']).toBe(expected.completion_tokens);
  expect(metrics[0].loss).toBeCloseTo(expected.loss, 4);
  expect(rows).toEqual({ rows: expected.rows.length, truncated: 0, equal: 0, promptTooLong: 0, promptNotPrefix: 0 });
});

test('rows that are cut to length are counted', async () => {
  const { rows } = await sft('cut', expected.rows, { maxLength: 12, maxPromptLength: 8 });
  expect(rows).toMatchObject({ rows: expected.rows.length, truncated: expected.rows.length });
});

test('a conversation without an assistant message is refused', async () => {
  const [user, system] = ['user', 'system'].map((role) => ({ role, content: 'a' }));
  const failed = sft('refused', [{ messages: [system, user] }]);
  await expect(failed).rejects.toThrow(
    new InputError('Row 1: the conversation has no assistant message: there is nothing to train on.'),
  );
});
