/** The part of a step key that depends on a labeler's model. */
import { appendFileSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { createLabeler, type LabelSettings } from '../../labelers/index.ts';
import { openLabelerModel } from '../../labelers/model.ts';
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

test('the files of an ONNX export, by their contents', async () => {
  const model = join(folder, 'exported');
  const paths = ['config.json', 'model.safetensors', 'model.onnx.data', 'onnx/model.onnx', 'onnx/model.onnx_data'];
  const others = ['README.md', 'onnx/deep/config.json', 'additional_chat_templates/tool_use.jinja'];
  for (const path of [...paths, ...others]) {
    mkdirSync(dirname(join(model, path)), { recursive: true });
    writeFileSync(join(model, path), `content of ${path}`);
  }
  const identity = async () => (await openLabelerModel(model, {})).identity;
  // Of version 0.4.0: the hash is part of step keys.
  const known = { model: 'f7d2cd07dd40c3b4aeeccb77e309fbe9ea223db2a446a92f79e042b7d28f942d' };
  expect(await identity()).toEqual(known);
  const weights = join(model, 'onnx', 'model.onnx_data');
  writeFileSync(weights, 'CONTENT of onnx/model.onnx_data');
  utimesSync(weights, 1, 1);
  const changedTo = await identity();
  expect(changedTo).not.toEqual(known);
  // As large, and with the same time.
  writeFileSync(weights, 'Content of onnx/model.onnx_data');
  utimesSync(weights, 1, 1);
  expect(await identity()).not.toEqual(changedTo);
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
