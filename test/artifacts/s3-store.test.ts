/** The S3 store with a real S3 server, on good and bad networks. */
import { createHash, randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import {
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  S3Client,
  type S3ClientConfig,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { LocalStore } from '../../artifacts/local-store.ts';
import { stepKey, type Recipe } from '../../artifacts/manifest.ts';
import { Bucket } from '../../artifacts/s3-bucket.ts';
import { S3Store } from '../../artifacts/s3-store.ts';
import { InputError } from '../../data/errors.ts';
import { inTurns } from '../../data/in-turns.ts';
import { whileUsed } from '../../data/in-use.ts';
import { temporaryFolder } from '../temporary.ts';
import { startFaultProxy, type Fault, type FaultProxy } from './fault-proxy.ts';
import { clientConfig, credentials, startVersitygw, type S3Server } from './versitygw.ts';
import { ArtifactDamaged } from '../../artifacts/errors.ts';

const folder = temporaryFolder();
const MB = 2 ** 20;
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

let prefix: string;
let warnings: string[];
beforeEach(({ task }) => {
  prefix = task.id;
  warnings = [];
  proxy.fault = () => undefined;
  proxy.done.length = 0;
});

/** A store on a machine with a separate cache. */
function machine(name: string, { port = server.port, limitBytes = 1e12 } = {}, config: S3ClientConfig = {}): S3Store {
  const cache = { folder: join(folder, prefix, name), limitBytes };
  const bucket = new Bucket(`s3://models/${prefix}`, { ...clientConfig(port), ...config });
  return new S3Store(bucket, cache, (message) => warnings.push(message));
}
const stored = (...path: string[]) => join(server.root, 'models', prefix, ...path);
const recipeOf = (seed: number): Recipe => ({ step: 'write', parameters: {}, inputs: {}, seed, engineVersion: '1' });
const recipe = recipeOf(0);
const key = stepKey(recipe);

/** The large file of the artifact, which is uploaded in several parts. */
const large = randomBytes(20 * MB);
const write = async (target: string) => {
  mkdirSync(join(target, 'deep'));
  writeFileSync(join(target, 'hello.txt'), 'hello');
  writeFileSync(join(target, 'deep', 'weights.bin'), large);
};
const writeText = (text: string) => async (target: string) => writeFileSync(join(target, 'text'), text);
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

async function expectWhole(store: S3Store, address: string): Promise<void> {
  const opened = await store.open(address);
  expect(readFileSync(join(opened, 'hello.txt'), 'utf8')).toBe('hello');
  expect(sha256(readFileSync(join(opened, 'deep', 'weights.bin')))).toBe(sha256(large));
}

describe('an artifact', () => {
  test('made on one machine is found and read on another, under the address it has in a folder', async () => {
    const address = await machine('a').create('file', recipe, write);
    const local = new LocalStore(join(folder, prefix, 'local'));
    expect(address).toBe(await local.create('file', recipe, write));
    const other = machine('b');
    expect(await other.find(key)).toBe(address);
    await expectWhole(other, address);
    expect(await other.manifest(address)).toEqual(await local.manifest(address));
    expect(await other.find(stepKey(recipeOf(1)))).toBeUndefined();
  });

  test('is read from the cache once it is there', async () => {
    const address = await machine('a').create('file', recipe, write);
    await machine('b').open(address);
    rmSync(stored('objects', address, 'deep'), { recursive: true });
    await expectWhole(machine('b'), address);
  });

  test('gives the text of one file without fetching the others, and nothing is kept or removed for it', async () => {
    const address = await machine('a').create('file', recipe, write);
    rmSync(stored('objects', address, 'deep'), { recursive: true });
    const other = machine('b');
    expect(await other.readText(address, 'hello.txt')).toBe('hello');
    await expect(other.readText(address, 'deep/weights.bin')).rejects.toThrow(ArtifactDamaged);
    writeFileSync(stored('objects', address, 'hello.txt'), 'hullo');
    await expect(other.readText(address, 'hello.txt')).rejects.toThrow('hello.txt was changed');
    expect(existsSync(join(folder, prefix, 'b'))).toBe(false);
    expect(existsSync(stored('objects', address, 'manifest.json'))).toBe(true);
  });

  test('gives some of its files without fetching the others, and says which one is damaged', async () => {
    const address = await machine('a').create('file', recipe, write);
    const other = machine('b');
    const opened = await other.openFiles(address, (path) => path === 'hello.txt');
    expect(readdirSync(opened)).toEqual(['hello.txt']);
    expect(await other.openFiles(address, (path) => path === 'hello.txt')).toBe(opened);
    writeFileSync(join(opened, 'hello.txt'), 'jello');
    const again = await machine('b').openFiles(address, (path) => path === 'hello.txt');
    expect(readFileSync(join(again, 'hello.txt'), 'utf8')).toBe('hello');
    await expectWhole(other, address);
    writeFileSync(stored('objects', address, 'hello.txt'), 'jello');
    const damaged = machine('c').openFiles(address, (path) => path === 'hello.txt');
    await expect(damaged).rejects.toThrow(ArtifactDamaged);
    expect(existsSync(stored('objects', address, 'manifest.json'))).toBe(false);
    expect(readdirSync(join(folder, prefix, 'c', 'parts', address))).toEqual([]);
  });

  test('is the first one, for all, where two workers end the same step with different bytes', async () => {
    const [a, b] = [machine('a'), machine('b')];
    const [first, second] = await Promise.all([
      a.create('text', recipe, writeText('a')),
      b.create('text', recipe, writeText('b')),
    ]);
    expect(first).toBe(second);
    expect(await machine('c').find(key)).toBe(first);
  });

  test('is not there before all of it is', async () => {
    const address = await machine('a').create('file', recipe, write);
    rmSync(stored('objects', address, 'manifest.json'));
    await expect(machine('b').open(address)).rejects.toThrow(ArtifactDamaged);
  });

  test('that a worker made but did not live to upload is uploaded by its next one', async () => {
    const cached = new LocalStore(join(folder, prefix, 'a'));
    const address = await cached.create('file', recipe, write);
    expect(await machine('a').find(key)).toBe(address);
    await expectWhole(machine('b'), address);
  });
});

describe('damage is found and the step made again:', () => {
  const damages: [string, (address: string) => void][] = [
    ['an altered file', (address) => writeFileSync(stored('objects', address, 'hello.txt'), 'jello')],
    ['a file cut short', (address) => truncateSync(stored('objects', address, 'deep', 'weights.bin'), 19 * MB)],
    ['a missing file', (address) => rmSync(stored('objects', address, 'hello.txt'))],
    [
      'an altered manifest',
      (address) => {
        const file = stored('objects', address, 'manifest.json');
        writeFileSync(file, readFileSync(file, 'utf8').replace('"file"', '"life"'));
      },
    ],
  ];
  test.each(damages)('%s', async (_, damage) => {
    const address = await machine('a').create('file', recipe, write);
    damage(address);
    const other = machine('b');
    await expect(other.open(address)).rejects.toThrow(ArtifactDamaged);
    expect(await other.find(key)).toBeUndefined();
    expect(warnings).toEqual([
      expect.stringMatching(
        `^Artifact ${address.slice(0, 12)} is damaged: .*; selm run makes it again, with its run's file.$`,
      ),
    ]);
    expect(await other.create('file', recipe, write)).toBe(address);
    await expectWhole(machine('c'), address);
  });

  const losses: [string, (address: string) => void][] = [
    ['altered', (address) => writeFileSync(stored('objects', address, 'hello.txt'), 'jello')],
    ['lost', (address) => rmSync(stored('objects', address, 'hello.txt'))],
  ];
  test.each(losses)(
    'but what the bucket has %s is uploaded again by the machine that has it in its cache',
    async (_, lose) => {
      const address = await machine('a').create('file', recipe, write);
      lose(address);
      await expect(machine('b').open(address)).rejects.toThrow(ArtifactDamaged);
      expect(await machine('a').find(key)).toBe(address);
      await expectWhole(machine('b'), address);
    },
  );

  test('an altered file in the cache is fetched again', async () => {
    const address = await machine('a').create('file', recipe, write);
    writeFileSync(join(folder, prefix, 'a', 'objects', address, 'hello.txt'), 'jello');
    await expectWhole(machine('a'), address);
  });
});

/** Injects each fault once, at the first request that matches. */
function once(faults: [method: string, path: RegExp, fault: Fault][]): void {
  const left = [...faults];
  proxy.fault = (method, path) => {
    const next = left.findIndex(([verb, pattern]) => verb === method && pattern.test(path));
    return next < 0 ? undefined : left.splice(next, 1)[0][2];
  };
}

describe('on a bad network', () => {
  test('uploads come through cut connections and a busy server', async () => {
    once([
      ['PUT', /hello\.txt/, { kind: 'busy' }],
      ['PUT', /partNumber=1/, { kind: 'cut-request', after: MB }],
      ['PUT', /partNumber=2/, { kind: 'busy' }],
      ['POST', /uploadId/, { kind: 'cut-answer', after: 0 }],
      ['PUT', /manifest\.json/, { kind: 'cut-answer', after: 0 }],
      ['PUT', /steps/, { kind: 'busy' }],
    ]);
    const address = await machine('a', proxy).create('file', recipe, write);
    expect(proxy.done.length).toBeGreaterThanOrEqual(5);
    await expectWhole(machine('b'), address);
    expect(await machine('b').find(key)).toBe(address);
  });

  test('downloads go on where their connection broke', async () => {
    const address = await machine('a').create('file', recipe, write);
    once([
      ['GET', /steps/, { kind: 'busy' }],
      ['GET', /weights/, { kind: 'cut-answer', after: 5 * MB }],
      ['GET', /weights/, { kind: 'cut-answer', after: 7 * MB }],
      ['GET', /hello/, { kind: 'cut-answer', after: 2 }],
      ['GET', /manifest/, { kind: 'cut-answer', after: 10 }],
    ]);
    const other = machine('b', proxy);
    expect(await other.find(key)).toBe(address);
    await expectWhole(other, address);
    expect(proxy.done).toHaveLength(5);
  });

  test('a download that stands still is broken off and goes on', async () => {
    const address = await machine('a').create('file', recipe, write);
    once([['GET', /weights/, { kind: 'stall', after: MB }]]);
    await expectWhole(machine('b', proxy, { requestHandler: { socketTimeout: 500 } }), address);
    expect(proxy.done).toHaveLength(1);
  });

  test('the parts of a large file are downloaded at once, and each goes on by itself', async () => {
    const content = randomBytes(60 * MB);
    const address = await machine('a').create('file', recipe, async (target) =>
      writeFileSync(join(target, 'weights.bin'), content),
    );
    const ranges: string[] = [];
    proxy.fault = (method, path, { range }) => {
      if (method !== 'GET' || !/weights/.test(path)) return undefined;
      const isFirst = !ranges.includes(range!);
      ranges.push(range!);
      // Only a client that does not wait for one part asks for the next.
      return isFirst && ranges.length > 1 ? { kind: 'stall', after: 0 } : undefined;
    };
    const opened = await machine('b', proxy, { requestHandler: { socketTimeout: 1000 } }).open(address);
    expect(new Set(ranges.slice(0, 4)).size).toBe(4);
    expect(proxy.done).toHaveLength(3);
    expect(sha256(readFileSync(join(opened, 'weights.bin')))).toBe(sha256(content));
  });

  test('an empty file is downloaded', async () => {
    const address = await machine('a').create('text', recipe, writeText(''));
    expect(readFileSync(join(await machine('b').open(address), 'text'), 'utf8')).toBe('');
  });

  test('what is garbled on the way is downloaded again', async () => {
    const address = await machine('a').create('file', recipe, write);
    once([['GET', /weights/, { kind: 'garble' }]]);
    await expectWhole(machine('b', proxy), address);
    expect(proxy.done).toHaveLength(1);
  });

  test('a download that breaks ever and again ends in an error, and the cache has no half of it', async () => {
    const address = await machine('a').create('file', recipe, write);
    proxy.fault = (_, path) => (/hello/.test(path) ? { kind: 'cut-answer', after: 0 } : undefined);
    await expect(machine('b', proxy).open(address)).rejects.toThrow(/^The artifact store s3:\/\/models\/\S+ does not/);
    expect(readdirSync(join(folder, prefix, 'b'), { recursive: true })).toEqual(['unfinished']);
    await expectWhole(machine('b'), address);
  });

  test('a store that stays down is told in one sentence without secrets, and nothing half is there', async () => {
    proxy.fault = (method) => (method === 'PUT' ? { kind: 'busy' } : undefined);
    const attempt = machine('a', proxy, { maxAttempts: 3 }).create('text', recipe, writeText('x'));
    const error = await attempt.then(
      () => undefined,
      (reason: Error) => reason,
    );
    expect(error!.message).toMatch(
      /^The artifact store s3:\/\/models\/\S+ does not answer as it should \(SlowDown: .*\)\.$/,
    );
    expect(error!.message).not.toContain(credentials.secretAccessKey);
    expect(await machine('b').find(key)).toBeUndefined();
    proxy.fault = () => undefined;
    // The artifact is not computed again.
    expect(await machine('a', proxy).find(key)).toMatch(/^[0-9a-f]{64}$/);
  });
});

test('the cache stays below its limit, without what was opened in the last hour', async () => {
  const store = machine('a', { limitBytes: 100 });
  const make = (seed: number) => store.create('text', recipeOf(seed), writeText('x'.repeat(60)));
  const [first, second] = [await make(1), await make(2)];
  const cached = () => readdirSync(join(folder, prefix, 'a', 'objects')).sort();
  expect(cached()).toEqual([first, second].sort());
  const hoursAgo = new Date(Date.now() - 2 * 3600_000);
  utimesSync(join(folder, prefix, 'a', 'objects', first, 'manifest.json'), hoursAgo, hoursAgo);
  const third = await make(3);
  expect(cached()).toEqual([second, third].sort());
  expect(readFileSync(join(await store.open(first), 'text'), 'utf8')).toBe('x'.repeat(60));
});

const hoursAgo = (path: string, hours: number) => {
  const time = new Date(Date.now() - hours * 3600_000);
  utimesSync(path, time, time);
};

test('the cache keeps what a running step has opened, however long ago', async () => {
  const store = machine('a', { limitBytes: 100 });
  const make = (seed: number) => store.create('text', recipeOf(seed), writeText('x'.repeat(60)));
  const first = await make(1);
  const manifest = join(folder, prefix, 'a', 'objects', first, 'manifest.json');
  await whileUsed(async () => {
    await store.open(first);
    hoursAgo(manifest, 5);
    await expect.poll(() => Date.now() - statSync(manifest).mtimeMs).toBeLessThan(60_000);
    await make(2);
    expect(existsSync(manifest)).toBe(true);
  }, 10);
  hoursAgo(manifest, 5);
  await make(3);
  expect(existsSync(manifest)).toBe(false);
});

test('the cache counts checkpoints, and removes those of steps that do not run here any more', async () => {
  const store = machine('a', { limitBytes: 100 });
  const checkpoint = await writeCheckpoint(store, 1, 'x'.repeat(90));
  const make = (seed: number) => store.create('text', recipeOf(seed), writeText('x'.repeat(60)));
  await make(1);
  expect(existsSync(checkpoint)).toBe(true);
  for (const path of [
    checkpoint,
    join(checkpoint, 'state'),
    join(checkpoint, 'checkpoint.json'),
    join(checkpoint, '..'),
  ])
    hoursAgo(path, 2);
  await make(2);
  expect(existsSync(checkpoint)).toBe(false);
});

test('an address with a key in it is refused without repeating it', () => {
  expect(() => new Bucket('s3://AKIAPLANTED:planted@models/prefix')).toThrow(
    new InputError('An artifact store in S3 has the form s3://bucket/prefix: correct SELM_STORE.'),
  );
});

describe('names', () => {
  test('count their versions, each of them published by one', async () => {
    const stores = ['a', 'b', 'c'].map((name) => machine(name));
    const addresses = Array.from({ length: 9 }, (_, i) => sha256(Buffer.from(`${i}`)));
    const versions = await Promise.all(addresses.map((address, i) => stores[i % 3].publishName('poet', address)));
    expect(versions.toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const resolved = await Promise.all(versions.map((version) => stores[0].resolveName('poet', version)));
    expect(resolved).toEqual(addresses);
    const latest = await stores[1].resolveName('poet', 'latest');
    expect(await stores[2].publishName('poet', latest!)).toBe(9);
    expect(await stores[0].resolveName('cook', 'latest')).toBeUndefined();
    expect((await stores[0].listNames()).map(({ version }) => version)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });
});

function fillCheckpoint(checkpoint: string, text: string): string {
  mkdirSync(checkpoint);
  writeFileSync(join(checkpoint, 'state'), text);
  writeFileSync(join(checkpoint, 'checkpoint.json'), '{}');
  return checkpoint;
}
const writeCheckpoint = async (store: S3Store, step: number, text: string) =>
  fillCheckpoint(join(await store.openCheckpoints(key), `step-0000000${step}`), text);

describe('checkpoints', () => {
  test('saved by one worker are there for the next, on another machine; the newest one wins', async () => {
    const [a, b] = [machine('a'), machine('b')];
    rmSync(await writeCheckpoint(a, 1, 'one').then(async (path) => (await a.saveCheckpoints(key), path)), {
      recursive: true,
    });
    await writeCheckpoint(a, 2, 'two');
    await a.saveCheckpoints(key);
    expect(readdirSync(stored('checkpoints', key)).sort()).toEqual(['latest', 'step-00000002']);
    const there = await b.openCheckpoints(key);
    expect(readdirSync(there)).toEqual(['step-00000002']);
    expect(readFileSync(join(there, 'step-00000002', 'state'), 'utf8')).toBe('two');
    await writeCheckpoint(b, 3, 'three');
    expect(readdirSync(await b.openCheckpoints(key)).sort()).toEqual(['step-00000002', 'step-00000003']);
  });

  test('of a worker that is behind do not take the place of newer ones', async () => {
    await writeCheckpoint(machine('a'), 2, 'two');
    await machine('a').saveCheckpoints(key);
    await writeCheckpoint(machine('late'), 1, 'one').catch(() => {});
    rmSync(join(await machine('late').openCheckpoints(key), 'step-00000002'), { recursive: true });
    const late = machine('late');
    await late.saveCheckpoints(key);
    expect(readdirSync(stored('checkpoints', key)).sort()).toEqual(['latest', 'step-00000002']);
  });

  test('that are replaced while they are uploaded arrive whole', async () => {
    const a = machine('a', proxy);
    const first = await writeCheckpoint(a, 1, 'one');
    let isReplaced = false;
    proxy.fault = (method, path) => {
      if (method === 'PUT' && /step-00000001/.test(path) && !isReplaced) {
        isReplaced = true;
        rmSync(first, { recursive: true });
        fillCheckpoint(join(first, '..', 'step-00000002'), 'two');
      }
      return undefined;
    };
    await a.saveCheckpoints(key);
    expect(readdirSync(stored('checkpoints', key, 'step-00000001')).sort()).toEqual(['checkpoint.json', 'state']);
    const there = await machine('b').openCheckpoints(key);
    expect(readFileSync(join(there, 'step-00000001', 'state'), 'utf8')).toBe('one');
    expect(readdirSync(await a.openCheckpoints(key)).sort()).toEqual(['.uploaded.json', 'step-00000002']);
    await a.saveCheckpoints(key);
    // The older one is removed.
    expect(readdirSync(stored('checkpoints', key)).sort()).toEqual(['latest', 'step-00000002']);
  });

  test('that are uploaded when the training ends are given up', async () => {
    const a = machine('a', proxy);
    await writeCheckpoint(a, 1, 'one');
    const done = new AbortController();
    proxy.fault = (method, path) => void (method === 'PUT' && /step-00000001/.test(path) && done.abort());
    await a.saveCheckpoints(key, done.signal);
    expect(existsSync(stored('checkpoints', key, 'latest'))).toBe(false);
    expect(readdirSync(await a.openCheckpoints(key))).toEqual(['step-00000001']);
  });

  test('that are damaged are left alone, and said so', async () => {
    await writeCheckpoint(machine('a'), 1, 'one');
    await machine('a').saveCheckpoints(key);
    writeFileSync(stored('checkpoints', key, 'step-00000001', 'state'), 'eno');
    expect(readdirSync(await machine('b').openCheckpoints(key)).filter((name) => !name.startsWith('.'))).toEqual([]);
    expect(warnings).toEqual([expect.stringMatching(/^Checkpoint step-00000001 of step .* is damaged/)]);
  });

  test.each([
    '',
    '{"name":"step-00000001"',
    'null',
    '{"name":"../ESCAPED","files":[]}',
    '{"name":"step-00000009","files":[{"path":"../../../ESCAPED","sha256":"HASH"}]}',
  ])('whose pointer is %j are left alone, and the next one takes its place', async (pointer) => {
    mkdirSync(stored('checkpoints', key), { recursive: true });
    const escaping = stored('checkpoints', 'ESCAPED');
    writeFileSync(escaping, 'escaped');
    writeFileSync(stored('checkpoints', key, 'latest'), pointer.replace('HASH', sha256(Buffer.from('escaped'))));
    const b = machine('b');
    expect(readdirSync(await b.openCheckpoints(key))).toEqual([]);
    expect(warnings).toEqual([expect.stringMatching(/^The checkpoint of step .* in the bucket is damaged/)]);
    await writeCheckpoint(b, 1, 'one');
    writeFileSync(join(await b.openCheckpoints(key), 'stray.txt'), '');
    await b.saveCheckpoints(key);
    expect(readdirSync(join(await machine('c').openCheckpoints(key)))).toEqual(['step-00000001']);
    expect(readdirSync(join(folder, prefix), { recursive: true }).join()).not.toContain('ESCAPED');
  });

  test('are gone once the step is done', async () => {
    await writeCheckpoint(machine('a'), 1, 'one');
    await machine('a').saveCheckpoints(key);
    await machine('b').create('text', recipe, writeText('done'));
    expect(readdirSync(await machine('c').openCheckpoints(key))).toEqual([]);
  });
});

test('what is listed can be removed; what broken off work has left goes as well', async () => {
  const store = machine('a');
  const address = await store.create('file', recipe, write);
  expect(await machine('b').list()).toEqual([
    { address, manifest: await store.manifest(address), created: expect.any(Date) },
  ]);
  const unfinished = sha256(Buffer.from('half'));
  const half = stored('objects', unfinished, 'weights');
  // Not of selm: somebody's own objects and uploads in the bucket.
  const s3 = new S3Client(clientConfig(server.port));
  const begin = (name: string) =>
    s3.send(new CreateMultipartUploadCommand({ Bucket: 'models', Key: `${prefix}/${name}` }));
  await begin('backups/db.tar');
  // More than a server lists at once.
  await inTurns([...Array(1001).keys()], (i) => begin(`objects/${unfinished}/weights-${i}`));
  const others = [stored('objects', 'photos', 'cat'), stored('checkpoints', 'llama', 'step-1')];
  for (const path of [half, ...others]) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, 'x');
  }
  expect(await store.removeLeftovers(new Date(Date.now() - 60_000))).toBe(0);
  expect(existsSync(half)).toBe(true);
  expect(await store.removeLeftovers(new Date(Date.now() + 60_000))).toBe(1);
  expect([half, ...others].map((path) => existsSync(path))).toEqual([false, true, true]);
  const { Uploads } = await s3.send(new ListMultipartUploadsCommand({ Bucket: 'models', Prefix: `${prefix}/` }));
  expect(Uploads!.map(({ Key }) => Key)).toEqual([`${prefix}/backups/db.tar`]);
  await expectWhole(machine('c'), address);
  await store.remove(address);
  expect([await store.list(), await store.find(key), await machine('b').find(key)]).toEqual([[], undefined, undefined]);
});
