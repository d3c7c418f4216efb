/** What an artifact store reads: manifests, indexes of steps, versions of names, servers; and names that users give. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isPolicyName } from '../../../artifacts/names.ts';
import { findRelease } from '../../../activities/release.ts';
import { LocalStore } from '../../../artifacts/local-store.ts';
import { stepKey, type Recipe } from '../../../artifacts/manifest.ts';
import { checkName } from '../../../artifacts/names.ts';
import type { Parser, Parsers } from '../parser.ts';
import { ArtifactDamaged } from '../../../artifacts/errors.ts';

const recipe: Recipe = {
  step: 'sample',
  parameters: { n: 1 },
  inputs: { policy: 'a'.repeat(64) },
  seed: 0,
  engineVersion: '1',
};

export async function storeParsers(folder: string): Promise<Parsers> {
  const root = join(folder, 'store');
  const store = new LocalStore(root, () => {});
  const create = () =>
    store.create('answers', recipe, async (target) => writeFileSync(join(target, 'release.json'), '{}'));
  const address = await create();
  await store.publishName('name', address);
  const server = '01234567-0123-0123-0123-0123456789ab';
  await store.addServer({ id: server, place: '127.0.0.1:7233' });
  const manifest = join(store.artifacts.folderOf(address), 'manifest.json');
  const whole = readFileSync(manifest);

  const file = (path: string, form: Parser['form'], inputs: Parser['inputs'], read: () => unknown): Parser => ({
    form,
    inputs,
    file: join(root, path),
    read,
  });
  const names = ['name', 'name@latest', 'name@3', '.x', '..', 'a/b', 'x'.repeat(200)];
  const given = (read: (name: string) => unknown): Parser => ({
    form: 'text',
    inputs: names,
    read: (input) => read(input.toString()),
    names: '',
  });
  return {
    manifest: {
      ...file(manifest.slice(root.length), 'json', [whole], async () => {
        await store.list();
        await store.open(address);
      }),
      errors: [ArtifactDamaged],
      names: address.slice(0, 12),
    },
    'step-index': {
      ...file(join('steps', stepKey(recipe)), 'text', [address], async () => {
        writeFileSync(manifest, whole);
        await store.find(stepKey(recipe));
        // Whatever the index says, nothing but the index is gone.
        if (!readdirSync(join(root, 'objects')).includes(address)) throw new Error('The artifact is gone.');
      }),
      takesAll: true,
    },
    'name-version': file('names/name/1', 'text', [address], async () => [
      await store.listNames(),
      await store.resolveName('name', 'latest'),
    ]),
    server: { ...file(join('servers', server), 'text', ['127.0.0.1:7233'], () => store.listServers()), takesAll: true },
    'file-name': given(async (name) => {
      const stray = join(root, 'names', 'name', name.replaceAll(/[/\0]/g, '_').slice(0, 100));
      const isNew = name !== '' && !/^(\.+|1)$/.test(name);
      if (isNew) writeFileSync(stray, 'stray');
      mkdirSync(join(root, 'names', 'name'), { recursive: true });
      writeFileSync(join(root, 'names', 'name', '1'), address);
      try {
        await store.listNames();
      } finally {
        if (isNew) rmSync(stray, { force: true });
      }
    }),
    'policy-name': given(async (name) => {
      writeFileSync(join(root, 'names', 'name', '1'), address);
      if (isPolicyName(name)) await findRelease(store, name);
      else checkName(name);
    }),
  };
}
