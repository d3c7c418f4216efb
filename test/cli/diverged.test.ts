/** A training that diverges fails: it is no bad input, and the message says what to do. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { writeJsonl } from '../../data/jsonl.ts';
import { selm } from '../command.ts';
import { temporaryFolder } from '../temporary.ts';
import { tinyModel } from '../tiny-model.ts';

test('selm sft', async () => {
  const folder = temporaryFolder();
  const [demonstrations, out] = [join(folder, 'demonstrations.jsonl'), join(folder, 'out')];
  await writeJsonl(demonstrations, [{ prompt: 'Hello', completion: 'Hi' }]);
  const training = ['--learning-rate', '1e30', '--schedule', 'constant', '--epochs', '20', '--lora-rank', '2'];
  const model = tinyModel(join(folder, 'model'));
  const { code, stderr } = await selm(
    ['sft', '--model', model, '--demonstrations', demonstrations, ...training, '--out', out],
    {},
  );
  expect(stderr).toMatch(/selm: Training diverged at step \d+: .*; lower the learning rate\.$/m);
  expect(code).toBe(1);
  expect(existsSync(out)).toBe(false);
});
