/** Stray files, empty files and errors of the file system, in a folder and in a bucket: nothing that can be read is removed. */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { hashValue } from '../../artifacts/hash.ts';
import { LocalStore } from '../../artifacts/local-store.ts';
import { stepKey, type Recipe } from '../../artifacts/manifest.ts';
import { Bucket } from '../../artifacts/s3-bucket.ts';
import { S3Store } from '../../artifacts/s3-store.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import { InputError } from '../../data/errors.ts';
import { findGarbage } from '../../workers/garbage.ts';
import { temporaryFolder } from '../temporary.ts';
import { CODES, withFileErrors } from './file-errors.ts';
import { clientConfig, startVersitygw, type S3Server } from './versitygw.ts';

const folder = temporaryFolder();
let server: S3Server;
beforeAll(async () => void (server = await startVersitygw(folder, ['models'])));
afterAll(() => server.stop());

let id: string;
let warnings: string[];
beforeEach(({ task }) => {
  id = task.id;
  warnings = [];
});
const warn = (message: string) => void warnings.push(message);

interface Kind {
  /** As a process sees it that has read nothing yet. */
  open: () => ArtifactStore;
  /** Where its files lie. */
  root: () => string;
  /** Where this process reads an artifact's files. */
  cached: () => string;
}

const KINDS: Record<string, Kind> = {
  'a folder': {
    open: () => new LocalStore(join(folder, id), warn),
    root: () => join(folder, id),
    cached: () => join(folder, id),
  },
  'a bucket': {
    open: () => new S3Store(new Bucket(`s3://models/${id}`, clientConfig(server.port)), { folder: join(folder, id, 'cache'), limitBytes: 1e12 }, warn), // prettier-ignore
    root: () => join(server.root, 'models', id),
    cached: () => join(folder, id, 'cache'),
  },
};

const recipeOf = (seed: number, from: string[] = []): Recipe => ({ step: 'write', parameters: {}, inputs: { from }, seed, engineVersion: '1' }); // prettier-ignore
const write = (store: ArtifactStore, seed: number, from: string[] = []) =>
  store.create('text', recipeOf(seed, from), async (target) => writeFileSync(join(target, 'text'), `text ${seed}`));
const key = stepKey(recipeOf(1));

/** Every file of a store with its content. */
const filesOf = (root: string) =>
  Object.fromEntries(
    readdirSync(root, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && !entry.parentPath.includes('.sgwtmp'))
      .map((entry) => join(entry.parentPath, entry.name))
      .map((file) => [file, readFileSync(file, 'utf8')]),
  );

const removed = (before: Record<string, string>, root: string) => {
  const after = filesOf(root);
  return Object.keys(before).filter((file) => after[file] !== before[file]);
};

describe.each(Object.entries(KINDS))('%s', (_kind, kind) => {
  test.each(['', 'no address', '..', 'f'.repeat(63), `${'f'.repeat(64)}\n`])(
    'a step whose index holds %j is unknown, and nothing else is removed',
    async (content) => {
      const address = await write(kind.open(), 1);
      const other = await write(kind.open(), 2);
      const index = join(kind.root(), 'steps', key);
      const before = filesOf(kind.root());
      writeFileSync(index, content);
      expect(await kind.open().find(key)).toBe(_kind === 'a bucket' ? address : undefined);
      expect(removed(before, kind.root())).toEqual(_kind === 'a bucket' ? [] : [index]);
      expect(warnings).toEqual([expect.stringMatching(/steps\/.* is damaged: it holds no address\. It is removed\.$/)]);
      expect(await write(kind.open(), 1)).toBe(address);
      expect(await kind.open().find(key)).toBe(address);
      expect(await kind.open().find(stepKey(recipeOf(2)))).toBe(other);
    },
  );

  test('stray files in the folders of the store change nothing', async () => {
    const [first, second] = [await write(kind.open(), 1), await write(kind.open(), 2)];
    expect(await kind.open().publishName('poet', first)).toBe(1);
    const strays = ['.DS_Store', '.nfs000000000012', 'notes.txt', '0', '01', '1.5', '1e3', 'NaN'];
    const places = ['', 'steps', 'objects', 'names', 'names/poet', 'unfinished', 'checkpoints', `objects/${first}`];
    for (const place of places) {
      mkdirSync(join(kind.root(), place), { recursive: true });
      for (const stray of strays) writeFileSync(join(kind.root(), place, stray), '');
    }
    const store = kind.open();
    expect(await store.resolveName('poet', 'latest')).toBe(first);
    expect(await store.publishName('poet', first)).toBe(1);
    expect(await store.publishName('poet', second)).toBe(2);
    expect(await store.listNames()).toEqual([
      { name: 'poet', version: 1, address: first },
      { name: 'poet', version: 2, address: second },
    ]);
    expect((await store.list()).map(({ address }) => address).sort()).toEqual([first, second].sort());
    expect(await findGarbage(store, async () => [], new Date(Date.now() + 60_000))).toEqual([]);
    expect(await store.find(key)).toBe(first);
    await store.removeLeftovers(new Date(Date.now() - 60_000));
    await store.removeLeftovers(new Date(Date.now() + 60_000));
    expect(await kind.open().find(key)).toBe(first);
  });

  test('a version that holds no address ends garbage collection, and the next one is published beside it', async () => {
    const address = await write(kind.open(), 1);
    expect(await kind.open().publishName('poet', address)).toBe(1);
    writeFileSync(join(kind.root(), 'names', 'poet', '2'), '');
    const store = kind.open();
    await expect(findGarbage(store, async () => [], new Date(Date.now() + 60_000))).rejects.toThrow(/names\/poet\/2 is damaged: it holds no artifact's address\./); // prettier-ignore
    await expect(store.resolveName('poet', 'latest')).rejects.toThrow(InputError);
    expect(await store.publishName('poet', address)).toBe(3);
    expect(await store.resolveName('poet', 'latest')).toBe(address);
  });

  test.each(CODES)('%s is not damage: it is told, and nothing is removed', async (code) => {
    const store = kind.open();
    const address = await write(store, 1);
    await store.publishName('poet', address);
    const before = filesOf(kind.root());
    const cached = filesOf(kind.cached());
    for (const file of ['manifest.json', 'text']) {
      const path = new RegExp(`^${kind.cached()}/objects/${address}/${file}$`);
      const attempts: (() => Promise<unknown>)[] = [
        () => kind.open().find(key),
        () => kind.open().open(address),
        () => kind.open().readText(address, 'text'),
        () => write(kind.open(), 1),
        ...(file === 'text' ? [] : [() => kind.open().manifest(address), () => kind.open().list(), () => kind.open().remove(address)]), // prettier-ignore
      ];
      for (const attempt of attempts) {
        await expect(withFileErrors(code, path, attempt)).rejects.toMatchObject({ code });
        expect(removed(before, kind.root())).toEqual([]);
        expect(removed(cached, kind.cached())).toEqual([]);
      }
    }
    expect(warnings).toEqual([]);
    expect(await kind.open().find(key)).toBe(address);
  });

  test('names that are no file names of their own are refused', async () => {
    const address = await write(kind.open(), 1);
    for (const name of ['.x', '..', '.', '', '-x', 'a/b', '../x', 'x y', 'é', 'x\0', 'x'.repeat(129)]) {
      await expect(kind.open().publishName(name, address)).rejects.toThrow(InputError);
      await expect(kind.open().resolveName(name, 1)).rejects.toThrow(InputError);
    }
    expect(await kind.open().listNames()).toEqual([]);
    // One that an earlier version has published still keeps its artifact.
    mkdirSync(join(kind.root(), 'names', '.old'), { recursive: true });
    writeFileSync(join(kind.root(), 'names', '.old', '1'), address);
    expect(await kind.open().listNames()).toEqual([{ name: '.old', version: 1, address }]);
    for (const name of ['a..b', '_x', 'x-', '7', 'x'.repeat(128)]) expect(await kind.open().publishName(name, address)).toBe(1); // prettier-ignore
  });

  test.each(['../ESCAPED', 'x/../../ESCAPED', '/tmp/ESCAPED', 'x//y', './text', '', 'x/..'])(
    'an artifact whose manifest names the file %j is not opened',
    async (path) => {
      const good = await write(kind.open(), 1);
      const manifest = { kind: 'text', files: [{ path, size: 6, sha256: 'a'.repeat(64) }], recipe: recipeOf(3) };
      const address = hashValue(manifest);
      mkdirSync(join(kind.root(), 'objects', address));
      writeFileSync(join(kind.root(), 'objects', address, 'manifest.json'), JSON.stringify(manifest));
      await expect(kind.open().open(address)).rejects.toThrow(InputError);
      await expect(kind.open().manifest(address)).rejects.toThrow(`Artifact ${address} was not made by selm`);
      await expect(kind.open().list()).rejects.toThrow(InputError);
      expect(readdirSync(folder, { recursive: true }).filter((name) => String(name).includes('ESCAPED'))).toEqual([]);
      expect(await kind.open().find(key)).toBe(good);
    },
  );
});

describe('a folder', () => {
  const kind = KINDS['a folder'];

  test.each(CODES)('%s while names, steps or artifacts are listed ends garbage collection', async (code) => {
    const store = kind.open();
    const address = await write(store, 1);
    await store.publishName('poet', address);
    const before = filesOf(kind.root());
    const collect = () => findGarbage(kind.open(), async () => [], new Date(Date.now() + 60_000));
    for (const place of [
      'names',
      'names/poet',
      'names/poet/1',
      'objects',
      `objects/${address}/manifest.json`,
      `objects/${address}`,
    ]) {
      const path = new RegExp(`^${kind.root()}/${place}$`);
      await expect(withFileErrors(code, path, collect), place).rejects.toMatchObject({ code });
    }
    const index = new RegExp(`/steps/${key}$`);
    await expect(withFileErrors(code, index, () => kind.open().find(key))).rejects.toMatchObject({ code });
    await expect(withFileErrors(code, index, () => kind.open().remove(address))).rejects.toMatchObject({ code });
    await expect(withFileErrors(code, /names\/poet$/, () => store.publishName('poet', address))).rejects.toMatchObject({ code }); // prettier-ignore
    await expect(withFileErrors(code, /names\/poet\/1$/, () => store.resolveName('poet', 'latest'))).rejects.toMatchObject({ code }); // prettier-ignore
    expect(removed(before, kind.root())).toEqual([]);
    expect(await collect()).toEqual([]);
  });

  test('a reached artifact whose manifest is damaged ends garbage collection: what it was made of is unknown', async () => {
    const store = kind.open();
    const input = await write(store, 1);
    const address = await write(store, 2, [input]);
    await store.publishName('poet', address);
    const manifest = join(kind.root(), 'objects', address, 'manifest.json');
    writeFileSync(manifest, readFileSync(manifest, 'utf8').slice(0, -20));
    await expect(findGarbage(kind.open(), async () => [], new Date(Date.now() + 60_000))).rejects.toThrow(
      `Artifact ${address} is in use and its manifest is damaged`,
    );
  });

  test('a chain of 401 artifacts, each a version of a name, is listed with 200 files open at most', async () => {
    let [store, last] = [kind.open(), [] as string[]];
    for (let i = 0; i < 401; i++) {
      last = [await write(store, i, last)];
      await store.publishName('poet', last[0]);
    }
    const orphan = await write(store, 1000);
    const script = `
      import { LocalStore } from ${JSON.stringify(new URL('../../artifacts/local-store.ts', import.meta.url).href)};
      import { findGarbage } from ${JSON.stringify(new URL('../../workers/garbage.ts', import.meta.url).href)};
      const garbage = await findGarbage(new LocalStore(${JSON.stringify(kind.root())}), async () => [], new Date(Date.now() + 60_000));
      console.log(JSON.stringify(garbage.map(({ address }) => address)));`;
    const command = 'ulimit -n 200; exec "$0" --import tsx --input-type=module -e "$1"';
    const { stdout } = await promisify(execFile)('bash', ['-c', command, process.execPath, script]);
    expect(JSON.parse(stdout)).toEqual([orphan]);
  });
});

test('a bucket: a cache that cannot be written keeps the shared artifact', async () => {
  const kind = KINDS['a bucket'];
  const address = await write(kind.open(), 1);
  const before = filesOf(kind.root());
  const elsewhere = new S3Store(new Bucket(`s3://models/${id}`, clientConfig(server.port)), { folder: join(folder, id, 'other'), limitBytes: 1e12 }, warn); // prettier-ignore
  for (const code of [...CODES, 'ENOSPC']) {
    await expect(withFileErrors(code, /other\/unfinished/, () => elsewhere.find(key))).rejects.toMatchObject({ code });
    expect(removed(before, kind.root())).toEqual([]);
  }
  expect(await elsewhere.find(key)).toBe(address);
  expect([warnings, existsSync(join(folder, id, 'other', 'objects', address))]).toEqual([[], true]);
});
