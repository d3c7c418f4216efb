import { execFile } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { beforeEach, describe, expect, test } from 'vitest';
import { LocalStore } from '../../artifacts/local-store.ts';
import { stepKey, type Recipe } from '../../artifacts/manifest.ts';
import { temporaryFolder } from '../temporary.ts';
import { ArtifactDamaged } from '../../artifacts/errors.ts';

const folder = temporaryFolder();
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

const recipe: Recipe = {
  step: 'greet',
  parameters: { b: [2, 1], a: { d: null, c: 'x' } },
  inputs: { from: ['2', '1'] },
  seed: 7,
  engineVersion: 'v1',
};
const key = stepKey(recipe);

let root: string;
let warnings: string[];
let store: LocalStore;
const openStore = () => new LocalStore(root, (message) => warnings.push(message));
beforeEach((context) => {
  root = join(folder, context.task.id);
  warnings = [];
  store = openStore();
});

/** Creates an artifact with two files, one of them in a subfolder. */
const create = (by = store) =>
  by.create('greeting', recipe, async (target) => {
    mkdirSync(join(target, 'deep'));
    await writeFile(join(target, 'hello.txt'), 'hello');
    await writeFile(join(target, 'deep/world.txt'), 'world');
  });

async function createLaterAndRead(delay: number): Promise<string> {
  await sleep(delay);
  const address = await create(openStore());
  for (let i = 0; i < 10; i++) await openStore().open(address);
  return address;
}

describe('an artifact', () => {
  test('is addressed by the SHA-256 of its manifest, keys sorted, which lists its files and how it was made', async () => {
    const address = await create();
    const hello = `{"path":"hello.txt","sha256":"${sha256('hello')}","size":5}`;
    const world = `{"path":"deep/world.txt","sha256":"${sha256('world')}","size":5}`;
    const made =
      '{"engineVersion":"v1","inputs":{"from":["2","1"]},"parameters":{"a":{"c":"x","d":null},"b":[2,1]},"seed":7,"step":"greet"}';
    expect(address).toBe(sha256(`{"files":[${world},${hello}],"kind":"greeting","recipe":${made}}`));
    expect(key).toBe(sha256(made));

    const path = await store.open(address);
    expect(JSON.parse(readFileSync(join(path, 'manifest.json'), 'utf8'))).toEqual(await store.manifest(address));
    expect(readFileSync(join(path, 'deep/world.txt'), 'utf8')).toBe('world');
  });

  test('gives the text of one of its files, unless that is missing or was changed; the others do not matter', async () => {
    const address = await create();
    const path = await store.open(address);
    rmSync(join(path, 'hello.txt'));
    expect(await store.readText(address, 'deep/world.txt')).toBe('world');
    await expect(store.readText(address, 'hello.txt')).rejects.toThrow(ArtifactDamaged);
    await expect(store.readText(address, 'other.txt')).rejects.toThrow('other.txt is not in the store');
    writeFileSync(join(path, 'deep/world.txt'), 'worlds');
    await expect(openStore().readText(address, 'deep/world.txt')).rejects.toThrow('deep/world.txt was changed');
  });

  test('is found by its recipe, whatever the order of its parameters, and by no other', async () => {
    const address = await create();
    const reordered: Recipe = { ...recipe, parameters: { a: { c: 'x', d: null }, b: [2, 1] } };
    expect(await store.find(stepKey(reordered))).toBe(address);
    expect(await openStore().find(key)).toBe(address);
    for (const other of [{ seed: 8 }, { engineVersion: 'v2' }, { inputs: { from: ['1', '2'] } }, { parameters: {} }]) {
      expect(await store.find(stepKey({ ...recipe, ...other }))).toBeUndefined();
    }
  });

  test('has the same address whoever makes it, and is there for all from the moment one is told so', async () => {
    for (let i = 0; i < 20; i++) {
      rmSync(root, { recursive: true, force: true });
      const addresses = await Promise.all([0, 0, 1, 1, 2, 2, 3, 3].map(createLaterAndRead));
      expect(readdirSync(join(root, 'objects'))).toEqual([...new Set(addresses)]);
      expect(readdirSync(join(root, 'unfinished'))).toEqual([]);
    }
  });

  test('has an address of its own if its files are others', async () => {
    const first = await create();
    const second = await store.create('greeting', recipe, (target) => writeFile(join(target, 'hello.txt'), 'hullo'));
    expect(second).not.toBe(first);
  });

  test('ends its step: the checkpoints are gone', async () => {
    const checkpoints = await store.openCheckpoints(key);
    mkdirSync(join(checkpoints, 'step-1'), { recursive: true });
    const failure = store.create('greeting', recipe, () => Promise.reject(new Error('stopped')));
    await expect(failure).rejects.toThrow('stopped');
    expect(existsSync(checkpoints)).toBe(true);
    await create();
    expect(existsSync(checkpoints)).toBe(false);
  });
});

describe('an artifact whose making fails', () => {
  test('leaves nothing behind', async () => {
    const failure = store.create('greeting', recipe, async (target) => {
      await writeFile(join(target, 'hello.txt'), 'hel');
      throw new Error('disk full');
    });
    await expect(failure).rejects.toThrow('disk full');
    expect(await store.find(key)).toBeUndefined();
    expect(readdirSync(root, { recursive: true })).toEqual(['unfinished']);
  });

  test('is not there if its process was killed', async () => {
    const script = `
      import { writeFileSync } from 'node:fs';
      import { LocalStore } from ${JSON.stringify(new URL('../../artifacts/local-store.ts', import.meta.url).href)};
      await new LocalStore(${JSON.stringify(root)}).create('greeting', ${JSON.stringify(recipe)}, async (target) => {
        writeFileSync(target + '/hello.txt', 'hel');
        process.kill(process.pid, 'SIGKILL');
      });`;
    const killed = promisify(execFile)(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script]);
    await expect(killed).rejects.toMatchObject({ signal: 'SIGKILL' });
    expect(readdirSync(root)).toEqual(['unfinished']);
    expect(await store.find(key)).toBeUndefined();
    expect(readFileSync(join(await store.open(await create()), 'hello.txt'), 'utf8')).toBe('hello');
  });
});

describe('a damaged artifact is noticed, forgotten and made again where', () => {
  const damages: Record<string, (path: string) => void> = {
    'a file was changed': (path) => writeFileSync(join(path, 'hello.txt'), 'jello'),
    'a file was changed without a trace in its size and time': (path) => {
      const file = join(path, 'hello.txt');
      const { atime, mtime } = statSync(file);
      writeFileSync(file, 'jello');
      utimesSync(file, atime, mtime);
      // A process that has not read the file before detects the change.
      store = openStore();
    },
    'a file was cut short': (path) => writeFileSync(join(path, 'deep/world.txt'), 'wor'),
    'a file is missing': (path) => rmSync(join(path, 'deep/world.txt')),
    'the manifest was changed': (path) => {
      const file = join(path, 'manifest.json');
      writeFileSync(file, readFileSync(file, 'utf8').replace('"seed": 7', '"seed": 8'));
    },
    'the manifest was cut short': (path) => {
      const file = join(path, 'manifest.json');
      writeFileSync(file, readFileSync(file, 'utf8').slice(0, -20));
    },
    'all of it is missing': (path) => renameSync(path, `${path}.moved`),
  };
  test.each(Object.entries(damages))('%s', async (_name, damage) => {
    const address = await create();
    damage(await store.open(address));

    await expect(store.open(address)).rejects.toThrow(ArtifactDamaged);
    expect(await store.find(key)).toBeUndefined();
    expect(warnings).toEqual([expect.stringContaining(`Artifact ${address.slice(0, 12)} is damaged`)]);
    expect(existsSync(join(root, 'objects', address))).toBe(false);

    expect(await create()).toBe(address);
    expect(await store.find(key)).toBe(address);
    expect(readFileSync(join(await store.open(address), 'hello.txt'), 'utf8')).toBe('hello');
  });

  test('the same is made without looking for it', async () => {
    const address = await create();
    writeFileSync(join(await store.open(address), 'hello.txt'), 'jello');
    expect(await create()).toBe(address);
    expect(readFileSync(join(await store.open(address), 'hello.txt'), 'utf8')).toBe('hello');
  });
});

describe('a name', () => {
  test('counts its versions; publishing the last one again changes nothing', async () => {
    expect(await store.resolveName('poet', 'latest')).toBeUndefined();
    const [a, b, c] = ['a', 'b', 'c'].map(sha256);
    expect(await store.publishName('poet', a)).toBe(1);
    expect(await store.publishName('poet', b)).toBe(2);
    expect(await store.publishName('poet', b)).toBe(2);
    expect(await store.publishName('poet', a)).toBe(3);
    expect(await store.publishName('cook', c)).toBe(1);
    expect([await store.resolveName('poet', 2), await store.resolveName('poet', 'latest')]).toEqual([b, a]);
    expect(await store.resolveName('poet', 4)).toBeUndefined();
    expect(await openStore().listNames()).toEqual([
      { name: 'cook', version: 1, address: c },
      { name: 'poet', version: 1, address: a },
      { name: 'poet', version: 2, address: b },
      { name: 'poet', version: 3, address: a },
    ]);
  });

  test('gives each of those who publish at once a version of their own', async () => {
    const addresses = Array.from({ length: 20 }, (_, i) => sha256(`${i}`));
    const versions = await Promise.all(addresses.map((address) => openStore().publishName('poet', address)));
    expect(versions.toSorted((a, b) => a - b)).toEqual(addresses.map((_, i) => i + 1));
    expect(await Promise.all(versions.map((version) => store.resolveName('poet', version)))).toEqual(addresses);
  });
});

test('what is listed can be removed, and its step is unknown then', async () => {
  const address = await create();
  expect(await store.list()).toEqual([{ address, manifest: await store.manifest(address), created: expect.any(Date) }]);
  await store.remove(address);
  expect([await store.list(), await store.find(key)]).toEqual([[], undefined]);
  expect(warnings).toEqual([]);
});

test('what broken off work has left is removed once nothing in it has changed for a while', async () => {
  const checkpoints = await store.openCheckpoints(key);
  const half = join(root, 'unfinished', randomUUID());
  // Not of selm: somebody's own files in a folder that is a store, too.
  const others = ['checkpoints/my-model', 'unfinished/thesis'].map((name) => join(root, name));
  for (const folder of [half, ...others]) {
    mkdirSync(join(folder, 'deep'), { recursive: true });
    writeFileSync(join(folder, 'deep', 'weights'), '');
  }
  expect(await store.removeLeftovers(new Date(Date.now() - 60_000))).toBe(0);
  expect([checkpoints, half].map((path) => existsSync(path))).toEqual([true, true]);
  expect(await store.removeLeftovers(new Date(Date.now() + 60_000))).toBe(2);
  expect([checkpoints, half].map((path) => existsSync(path))).toEqual([false, false]);
  expect(others.map((path) => existsSync(join(path, 'deep', 'weights')))).toEqual([true, true]);
});
