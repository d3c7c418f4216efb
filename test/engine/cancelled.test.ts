/** Cancelling parts of a job whose engine is another process. */
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { samplingSchema } from '../../engine/protocol/settings.ts';
import { temporaryFolder } from '../temporary.ts';
import { tinyModel } from '../tiny-model.ts';
import { startEngine } from '../../engine/backends.ts';

const policy = { model: tinyModel(join(temporaryFolder(), 'model')) };
const engine = startEngine();
const warnings: Error[] = [];
const warn = (warning: Error) => void warnings.push(warning);
process.on('warning', warn);
afterAll(async () => {
  process.off('warning', warn);
  await engine.close();
});

test('sampling: cancelled responses end where they are', async () => {
  const settings = samplingSchema.parse({ maxNewTokens: 200, batchSize: 1 });
  // This takes minutes if none is cancelled.
  const prompts = Array.from({ length: 400 }, (_, i) => ({ id: `${i}`, prompt_input_ids: [3, 40, 50, 2, 4] }));
  const gone = new AbortController();
  const itemSignals = prompts.map((_, i) => (i === 0 ? new AbortController().signal : gone.signal));
  const job = { policy, prompts, settings, seed: 0 };
  const { responses } = await engine.run('sample', job, { itemSignals, onProgress: () => gone.abort() });
  expect(responses[0][0].token_ids).toHaveLength(200);
  expect(responses.at(-1)![0].token_ids).toEqual([]);
  const before = await engine.run('sample', job, { itemSignals: prompts.map(() => AbortSignal.abort()) });
  expect(before.responses.flat(2).map(({ token_ids }) => token_ids.length)).toEqual(prompts.map(() => 0));
  // One signal for many prompts is no listener leak.
  expect(warnings).toEqual([]);
});

test('log-probabilities: cancelled sequences are left out', async () => {
  const sequences = [
    [3, 40, 50],
    [3, 41, 50],
  ];
  const [, whole] = await engine.run('scoreTokens', { policy, sequences });
  const itemSignals = [AbortSignal.abort(), new AbortController().signal];
  const scores = await engine.run('scoreTokens', { policy, sequences }, { itemSignals });
  expect(scores).toEqual([[], whole]);
});
