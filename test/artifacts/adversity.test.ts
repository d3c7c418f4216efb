/** Stray files, empty files and file system errors, in a folder and in a bucket. Readable data is never removed. */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { S3ClientConfig } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { hashText, hashValue } from '../../artifacts/hash.ts';
import { LocalStore } from '../../artifacts/local-store.ts';
import { addressOf, MANIFEST, stepKey, type Manifest, type Recipe } from '../../artifacts/manifest.ts';
import { Bucket } from '../../artifacts/s3-bucket.ts';
import { S3Store } from '../../artifacts/s3-store.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import { InputError } from '../../data/errors.ts';
import { findGarbage } from '../../workers/garbage.ts';
import { temporaryFolder } from '../temporary.ts';
import { startFaultProxy, type Fault, type FaultProxy } from './fault-proxy.ts';
import { CODES, withFileErrors } from './file-errors.ts';
import { clientConfig, startVersitygw, type S3Server } from './versitygw.ts';
import { ArtifactDamaged } from '../../artifacts/errors.ts';

const folder = temporaryFolder();
let server: S3Server;
let proxy: FaultProxy;
beforeAll(async () => {
  server = await startVersitygw(folder, ['models']);
  proxy = await startFaultProxy(server.port);
});
afterAll(async () => {
  proxy.stop();
  await server.stop();
});

let id: string;
let warnings: string[];
beforeEach(({ task }) => {
  id = task.id;
  warnings = [];
});
const warn = (message: string) => void warnings.push(message);

interface Kind {
  /** Opens the store as a new process does. @param machine name of a machine, which has a separate cache if the store uses caches */
  open: (machine?: string) => ArtifactStore;
  /** The folder of the store's files. */
  root: () => string;
  /** The folder from which this process reads an artifact's files. */
  cached: () => string;
  /** Errors that do not show whether a file or an object exists. */
  errors: string[];
  /** Makes accesses to paths of the store that begin with `path` fail while `work` runs. */
  failing: <T>(error: string, path: string, work: () => Promise<T>) => Promise<T>;
}

const bucketOf = (config: S3ClientConfig) => new Bucket(`s3://models/${id}`, config);

const KINDS: Record<string, Kind> = {
  'a folder': {
    open: () => new LocalStore(join(folder, id), warn),
    root: () => join(folder, id),
    cached: () => join(folder, id),
    errors: CODES,
    failing: (code, path, work) => withFileErrors(code, new RegExp(`^${join(folder, id, path)}`), work),
  },
  'a bucket': {
    open: (machine = 'cache') =>
      new S3Store(
        bucketOf({ ...clientConfig(proxy.port), maxAttempts: 1 }),
        { folder: join(folder, id, machine), limitBytes: 1e12 },
        warn,
      ),
    root: () => join(server.root, 'models', id),
    cached: () => join(folder, id, 'cache'),
    errors: ['busy', 'cut-answer'],
    failing: async (fault, path, work) => {
      // An object's key is in the path of the URL, the prefix of a list in its query.
      const hits = (address: string) => decodeURIComponent(address).includes(`${id}/${path}`);
      proxy.fault = (method, address) =>
        method === 'GET' && hits(address) ? ({ kind: fault, after: 10 } as Fault) : undefined;
      try {
        return await work();
      } finally {
        proxy.fault = () => undefined;
      }
    },
  },
};

const recipeOf = (seed: number, from: string[] = []): Recipe => ({
  step: 'write',
  parameters: {},
  inputs: { from },
  seed,
  engineVersion: '1',
});
const write = (store: ArtifactStore, seed: number, from: string[] = []) =>
  store.create('text', recipeOf(seed, from), async (target) => writeFileSync(join(target, 'text'), `text ${seed}`));
const key = stepKey(recipeOf(1));

/** All files of a store with their contents. */
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
    const strays = ['.DS_Store', '.nfs000000000012', 'notes.txt', '0', '01', '1.5', '1e3', 'NaN', 'a'.repeat(64)];
    const places = [
      '',
      'steps',
      'objects',
      'names',
      'names/poet',
      'servers',
      'unfinished',
      'checkpoints',
      `checkpoints/${key}`,
      `objects/${first}`,
    ];
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
    expect(await store.listServers()).toEqual([]);
    expect((await store.list()).map(({ address }) => address).sort()).toEqual([first, second].sort());
    expect(await findGarbage(store, async () => ({ addresses: [] }), new Date(Date.now() + 60_000))).toEqual([]);
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
    await expect(findGarbage(store, async () => ({ addresses: [] }), new Date(Date.now() + 60_000))).rejects.toThrow(
      /names\/poet\/2 is damaged: it does not hold an artifact's address\./,
    );
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
        ...(file === 'text'
          ? []
          : [() => kind.open().manifest(address), () => kind.open().list(), () => kind.open().remove(address)]),
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
    // A name that an earlier version has published still protects its artifact.
    mkdirSync(join(kind.root(), 'names', '.old'), { recursive: true });
    writeFileSync(join(kind.root(), 'names', '.old', '1'), address);
    expect(await kind.open().listNames()).toEqual([{ name: '.old', version: 1, address }]);
    for (const name of ['a..b', '_x', 'x-', '7', 'x'.repeat(128)])
      expect(await kind.open().publishName(name, address)).toBe(1);
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
  test.each(kind.errors)('%s while names, steps or artifacts are listed ends garbage collection', async (error) => {
    const store = kind.open();
    const address = await write(store, 1);
    await store.publishName('poet', address);
    const before = filesOf(kind.root());
    const fresh = () => kind.open(randomUUID());
    const collect = () => findGarbage(fresh(), async () => ({ addresses: [] }), new Date(Date.now() + 60_000));
    const attempts: [path: string, attempt: () => Promise<unknown>][] = [
      ['names', collect],
      ['names/poet/1', collect],
      ['objects', collect],
      [`objects/${address}/manifest.json`, collect],
      [`steps/${key}`, () => fresh().find(key)],
      [`steps/${key}`, () => fresh().remove(address)],
      ['names/poet', () => store.publishName('poet', address)],
      ['names/poet/1', () => store.resolveName('poet', 'latest')],
      ['servers', () => store.listServers()],
    ];
    for (const [path, attempt] of attempts) {
      const failing = kind.failing(error, path, attempt);
      await expect(failing, path).rejects.toThrow();
      await expect(failing, path).rejects.not.toBeInstanceOf(ArtifactDamaged);
      expect(removed(before, kind.root())).toEqual([]);
    }
    expect([await collect(), warnings]).toEqual([[], []]);
  });

  test('a file-system error after the work of a step is waited out: the work is not done again', async () => {
    let done = 0;
    const fill = async (target: string) => {
      done++;
      writeFileSync(join(target, 'text'), 'paid for');
    };
    // Hashing the files and moving the folder fail three times each.
    const address = await withFileErrors('EIO', /unfinished/, () => kind.open().create('text', recipeOf(1), fill), 3);
    expect(done).toBe(1);
    expect(await kind.open().find(key)).toBe(address);
    expect(await kind.open().readText(address, 'text')).toBe('paid for');
  });

  test('hidden files that a system leaves in an artifact that is being made are no part of it', async () => {
    const address = await write(kind.open(), 1);
    const again = await kind.open('elsewhere').create('text', recipeOf(1), async (target) => {
      for (const name of ['text', '.nfs000000000012', '.DS_Store']) writeFileSync(join(target, name), 'text 1');
    });
    expect(again).toBe(address);
  });

  test('a reached artifact whose manifest is damaged ends garbage collection: what it was made of is unknown', async () => {
    const store = kind.open();
    const input = await write(store, 1);
    const address = await write(store, 2, [input]);
    await store.publishName('poet', address);
    const manifest = join(kind.root(), 'objects', address, 'manifest.json');
    writeFileSync(manifest, readFileSync(manifest, 'utf8').slice(0, -20));
    await expect(
      findGarbage(kind.open('elsewhere'), async () => ({ addresses: [] }), new Date(Date.now() + 60_000)),
    ).rejects.toThrow(`Artifact ${address} is in use and its manifest is damaged`);
  });
});

describe('a folder', () => {
  const kind = KINDS['a folder'];

  test('a file where an artifact belongs gives way to it', async () => {
    const address = await write(kind.open(), 1);
    await kind.open().remove(address);
    writeFileSync(join(kind.root(), 'objects', address), '');
    expect(await write(kind.open(), 1)).toBe(address);
    expect(await kind.open().find(key)).toBe(address);
  });
});

const module = (path: string) => JSON.stringify(new URL(`../../${path}`, import.meta.url).href);

describe('a chain of 401 artifacts, each a version of a name, is listed with 200 files open at most in', () => {
  /** The store's folder. A bucket has the same files as objects. */
  let chain: string;
  let orphan: string;
  // Written without a store, which waits for the disk at every artifact: on a busy machine for minutes.
  beforeAll(() => {
    chain = join(folder, 'chain');
    const names = join(chain, 'names', 'poet');
    mkdirSync(names, { recursive: true });
    let last: string[] = [];
    for (let version = 1; version <= 401; version++) {
      last = [place(version, last)];
      writeFileSync(join(names, String(version)), last[0]);
    }
    orphan = place(1000, []);
  });
  function place(seed: number, from: string[]): string {
    const text = `text ${seed}`;
    const files = [{ path: 'text', size: text.length, sha256: hashText(text) }];
    const manifest: Manifest = { kind: 'text', files, recipe: recipeOf(seed, from) };
    const address = addressOf(manifest);
    const objects = join(chain, 'objects', address);
    mkdirSync(objects, { recursive: true });
    writeFileSync(join(objects, 'text'), text);
    writeFileSync(join(objects, MANIFEST), JSON.stringify(manifest));
    return address;
  }
  const stores: Record<string, () => string> = {
    'a folder': () => `
      import { LocalStore } from ${module('artifacts/local-store.ts')};
      const store = new LocalStore(${JSON.stringify(chain)});`,
    'a bucket': () => `
      import { Bucket } from ${module('artifacts/s3-bucket.ts')};
      import { S3Store } from ${module('artifacts/s3-store.ts')};
      const bucket = new Bucket('s3://models/chain', ${JSON.stringify(clientConfig(server.port))});
      const store = new S3Store(bucket, { folder: ${JSON.stringify(join(folder, 'chain-cache'))}, limitBytes: 1e12 });`,
  };
  test.each(Object.keys(stores))('%s', async (kind) => {
    if (kind === 'a bucket') cpSync(chain, join(server.root, 'models', 'chain'), { recursive: true });
    const script = `${stores[kind]()}
      import { findGarbage } from ${module('workers/garbage.ts')};
      const garbage = await findGarbage(store, async () => ({ addresses: [] }), new Date(Date.now() + 60_000));
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
  const elsewhere = new S3Store(
    bucketOf(clientConfig(server.port)),
    { folder: join(folder, id, 'other'), limitBytes: 1e12 },
    warn,
  );
  for (const code of [...CODES, 'ENOSPC']) {
    await expect(withFileErrors(code, /other\/unfinished/, () => elsewhere.find(key))).rejects.toMatchObject({ code });
    expect(removed(before, kind.root())).toEqual([]);
  }
  expect(await elsewhere.find(key)).toBe(address);
  expect([warnings, existsSync(join(folder, id, 'other', 'objects', address))]).toEqual([[], true]);
});
