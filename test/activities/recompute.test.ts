import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { divergence } from '../../activities/divergence.ts';
import { evaluate } from '../../activities/evaluate.ts';
import { judge } from '../../activities/label.ts';
import { prepare } from '../../activities/prepare.ts';
import { recompute, stepsBehind } from '../../activities/recompute.ts';
import { sample } from '../../activities/sample.ts';
import { writeJsonl } from '../../data/jsonl.ts';
import { tinyLimits, tinyModel, tinyPrompts } from '../tiny-model.ts';
import { testRooms } from './rooms.ts';

const rooms = testRooms();
const model = tinyModel(join(rooms.folder, 'model'));
const train = join(rooms.folder, 'train.jsonl');
await writeJsonl(train, tinyPrompts(6));
const { policy, rounds } = await prepare(
  rooms,
  { model, prompts: { train, heldOut: 2 }, limits: tinyLimits, label: { by: 'verifier' }, rounds: 1, seed: 0 },
  {},
);
const settings = {
  samplesPerPrompt: 2,
  temperature: 1,
  topP: 1,
  topK: 0,
  maxNewTokens: 8,
  batchSize: 4,
  weights: 'f32' as const,
};
const { address } = await sample(
  rooms,
  { policy, prompts: rounds[0].address, from: 0, to: 4, settings, seed: 3, threads: 2 },
  {},
);
const scratch = join(rooms.folder, 'scratch');

test('the steps behind an artifact are told in the order in which they were done', async () => {
  const steps = await stepsBehind(rooms.store, [address]);
  expect(steps.map(({ manifest }) => manifest.recipe.step)).toEqual(['import-policy', 'import-prompts', 'sample']);
});

test('a step done again comes to the address it had, and leaves the store alone', async () => {
  const before = await rooms.store.list();
  expect(await recompute(rooms, await rooms.store.manifest(address), scratch)).toBe(address);
  expect(await rooms.store.list()).toEqual(before);
});

test('an evaluation and the divergences that it is made of are done again', async () => {
  const divergences = [
    (await divergence(rooms, { policy, reference: policy, responses: address, threads: 2 }, {})).address,
  ];
  const labels = [(await judge(rooms, { responses: address, label: { by: 'verifier' }, threads: 2 }, {})).address];
  const opponents = [
    { labels, divergences },
    { labels, divergences, sampledDivergences: divergences },
  ];
  for (const opponent of opponents) {
    const evaluated = (await evaluate(rooms, { labels, opponent, seed: 0 }, {})).address;
    const made = [...divergences, evaluated];
    for (const of of made) expect(await recompute(rooms, await rooms.store.manifest(of), scratch)).toBe(of);
    const steps = await stepsBehind(rooms.store, [evaluated]);
    expect(steps.map(({ address: found }) => found)).toEqual(expect.arrayContaining(made));
  }
});

test('an artifact with other bytes than its recipe makes is found out', async () => {
  const { kind, recipe } = await rooms.store.manifest(address);
  const forged = await rooms.store.create(kind, recipe, async (folder) => {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'responses.jsonl'), 'Not what the policy said.');
  });
  expect(forged).not.toBe(address);
  expect(await recompute(rooms, await rooms.store.manifest(forged), scratch)).toBe(address);
});
