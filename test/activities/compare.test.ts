/** Two artifacts of one step whose bits are not promised: the largest difference of their numbers, in units of the tolerance. */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compareArtifact, compareNumbers } from '../../activities/compare.ts';
import { fingerprintOf } from '../../engine/model-files/fingerprint.ts';
import { storeImported } from '../../activities/policy.ts';
import { LocalStore } from '../../artifacts/local-store.ts';
import type { Engine } from '../../engine/protocol/jobs.ts';
import { openSafetensors, readTensorF32, writeSafetensors } from '../../engine/model-files/safetensors.ts';
import { fixture } from '../engine/reference-case.ts';
import { temporaryFolder } from '../temporary.ts';

const folder = temporaryFolder();
const reference = fixture('reference/llama');
let count = 0;

/** A folder with these files. */
function files(contents: Record<string, string>): string {
  const target = join(folder, String(count++));
  mkdirSync(target);
  for (const [name, text] of Object.entries(contents)) writeFileSync(join(target, name), text);
  return target;
}

/** PyTorch's adapter after three steps, its matrices changed. @param change of element i, whose value is given */
function adapter(change: (value: number, i: number) => number): string {
  const target = join(folder, String(count++), 'adapter');
  cpSync(join(reference, 'adapter_final'), target, { recursive: true });
  const file = join(target, 'adapter_model.safetensors');
  const tensors = [...openSafetensors(file).values()].map((entry) => ({
    name: entry.name,
    dtype: 'F32' as const,
    shape: entry.shape,
    data: readTensorF32(entry).map(change),
  }));
  rmSync(file);
  writeSafetensors(file, tensors);
  return join(target, '..');
}

const ROWS = '{"chosen":-151.5,"rejected":-80}\n{"chosen":-12.25,"rejected":-3}\n';

test.each([
  ['the same numbers', ROWS, 0, /no number differs/],
  [
    'a sum of log-probabilities that differs by 0.1 of 151',
    ROWS.replace('-151.5', '-151.6'),
    0.033,
    /logps\.jsonl\.0\.chosen is -151\.6 instead of -151\.5/,
  ],
  ['one that differs by 5 of 80', ROWS.replace('-80', '-85'), 2.91, /0\.rejected is -85/],
  ['none of the rows', '', Infinity, /number of rows/],
  ['a row less', ROWS.split('\n')[0], Infinity, /number of rows/],
  ['a number that is none', ROWS.replace('-3', 'null'), Infinity, /1\.rejected is null instead of -3/],
  ['another field', ROWS.replace('"rejected":-3', '"other":-3'), Infinity, /other fields/],
])('rows with %s', async (_, rows, size, text) => {
  const found = await compareNumbers(files({ 'logps.jsonl': ROWS }), files({ 'logps.jsonl': rows }));
  expect(found.size).toBeCloseTo(size, 2);
  expect(found.text).toMatch(text);
});

test('the largest of several files decides, and a missing file is a difference', async () => {
  const before = files({ 'a.jsonl': '{"kl":0.5}\n', 'summary.json': '{"kl":0.5,"unchanged":false}' });
  const after = files({ 'a.jsonl': '{"kl":0.51}\n', 'summary.json': '{"kl":0.6,"unchanged":false}' });
  expect(await compareNumbers(before, after)).toMatchObject({ text: 'summary.json.kl is 0.6 instead of 0.5' });
  const less = files({ 'a.jsonl': '{"kl":0.5}\n' });
  expect(await compareNumbers(before, less)).toMatchObject({
    size: Infinity,
    text: expect.stringContaining('the files are') as string,
  });
});

test('an artifact of the store is compared by what training changed in its adapter, not by its size', async () => {
  const store = new LocalStore(join(folder, 'store'));
  const model = join(reference, 'model');
  const base = { source: model, fingerprint: await fingerprintOf(model) };
  const context = { store, engine: {} as Engine, cacheFolder: folder };
  const { address: start } = await storeImported(context, { base, adapter: join(reference, 'adapter_init') }, {});
  const recipe = { step: 'optimize', parameters: {}, inputs: { policy: start }, seed: 0 };
  const address = await store.create('policy', recipe, async (target) =>
    cpSync(
      adapter((x) => x),
      target,
      { recursive: true },
    ),
  );
  const compare = async (again: string) =>
    compareArtifact(store, { address, manifest: await store.manifest(address) }, again);

  expect((await compare(adapter((x) => x))).size).toBe(0);
  // Three steps at a rate of 1e-3 change an element by up to 3e-3, and the matrices hold numbers up to 0.5.
  const rounded = await compare(adapter((x, i) => x + (i % 2 ? 1e-5 : -1e-5)));
  expect(rounded.size).toBeGreaterThan(0);
  expect(rounded.size).toBeLessThan(1);
  expect(rounded.text).toMatch(/lora_[AB]\.weight differs by 0\.\d+ % of what training changed in it$/);
  // A training that did not take place: the whole change is missing.
  const untrained = join(folder, 'untrained');
  cpSync(join(reference, 'adapter_init'), join(untrained, 'adapter'), { recursive: true });
  const config = readFileSync(join(reference, 'adapter_final/adapter_config.json'));
  writeFileSync(join(untrained, 'adapter/adapter_config.json'), config);
  const missing = await compare(untrained);
  expect(missing.size).toBeCloseTo(20);
  expect((await compare(adapter(() => NaN))).size).toBe(Infinity);
});
