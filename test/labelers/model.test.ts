/** The part of a step key that depends on a labeler's model. */
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createLabeler, type LabelSettings } from '../../labelers/index.ts';
import { isComparative, needsEngine } from '../../labelers/needs.ts';
import { changed } from '../engine/onnx/rankers/fixtures.ts';
import { startHub } from '../hub-server.ts';
import { temporaryFolder } from '../temporary.ts';
import { noTools } from './tools.ts';

const folder = temporaryFolder();
const identityOf = async (settings: LabelSettings) => (await createLabeler(settings, noTools)).identity;

test("a folder's files, wherever it lies", async () => {
  const [here, there] = ['a', 'b'].map((name) => changed(join(folder, name), 'llama', {}));
  const identity = await identityOf({ by: 'reward-model', model: here });
  expect(identity).toEqual({ model: expect.stringMatching(/^[0-9a-f]{64}$/) as string });
  expect(await identityOf({ by: 'reward-model', model: there })).toEqual(identity);
  writeFileSync(join(there, 'README.md'), 'no part of it');
  expect(await identityOf({ by: 'reward-model', model: there })).toEqual(identity);
  appendFileSync(join(there, 'chat_template.jinja'), ' ');
  expect(await identityOf({ by: 'reward-model', model: there })).not.toEqual(identity);
});

test('the commit of a hub id, found without a download', async () => {
  const files = { 'config.json': Buffer.from('{}') };
  const { url, downloads } = await startHub({ 'models/org/ranker': { revision: 'main', files } }, join(folder, 'hub'));
  process.env.HF_ENDPOINT = url;
  const identity = await identityOf({ by: 'pairrm', model: 'org/ranker' });
  expect(identity).toEqual({ model: expect.stringMatching(/^org\/ranker@[0-9a-f]{40}$/) as string });
  expect(downloads).toEqual([]);
});

test('both wait for the engine; only a ranker compares', () => {
  const settings: LabelSettings[] = [{ by: 'reward-model', model: 'm' }, { by: 'pairrm' }];
  expect(settings.map(needsEngine)).toEqual([true, true]);
  expect(settings.map(isComparative)).toEqual([false, true]);
});
