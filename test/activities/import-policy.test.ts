/** The import of a policy whose files are symbolic links, as in the cache of the Hugging Face hub. */
import { mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { importPolicy } from '../../activities/policy.ts';
import { LocalStore } from '../../artifacts/local-store.ts';
import { startEngine } from '../../engine/backends.ts';
import { temporaryFolder } from '../temporary.ts';
import { tinyAdapter, tinyModel } from '../tiny-model.ts';

const folder = temporaryFolder();
const engine = startEngine();
afterAll(() => engine.close());

test('an adapter of links is stored with its files', async () => {
  const linked = join(folder, 'linked');
  mkdirSync(linked);
  for (const name of readdirSync(tinyAdapter)) symlinkSync(join(tinyAdapter, name), join(linked, name));
  const model = tinyModel(join(folder, 'model'));
  const context = { store: new LocalStore(join(folder, 'store')), engine, cacheFolder: join(folder, 'cache') };
  const { address } = await importPolicy(context, model, linked);
  const { files } = await context.store.manifest(address);
  expect(files.map(({ path }) => path)).toContain('adapter/adapter_model.safetensors');
  // The same files are the same policy.
  expect((await importPolicy(context, model, tinyAdapter)).address).toBe(address);
});
