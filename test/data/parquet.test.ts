/** Parquet files of pyarrow (test/fixtures/parquet/make_parquet.py), and damaged copies of them. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { collect } from '../../data/collect.ts';
import { InputError } from '../../data/errors.ts';
import { rowsOf } from '../../data/source.ts';
import { readPrompts } from '../../data/prompts.ts';
import { folder } from './folder.ts';

const fixtures = 'test/fixtures/parquet';
const fixture = (name: string) => join(fixtures, name);
const read = async (path: string) => (await collect(rowsOf(path))).map(({ fields }) => fields);

test.each(['uncompressed', 'snappy', 'gzip', 'brotli', 'zstd', 'lz4', 'lz4_raw'])('%s is read', async (codec) => {
  const prompts = await readPrompts(fixture(`${codec}.parquet`));
  expect(prompts).toEqual([
    { id: '9007199254740993', prompt: 'Name a color. '.repeat(20) },
    { id: '9007199254740992', prompt: 'What is 2 + 2? é🐝' },
    { id: '3', prompt: 'Name an animal. '.repeat(20) },
  ]);
});

test('a compressed column of nulls is read', async () => {
  expect(await read(fixture('nulls-lz4_raw.parquet'))).toEqual(['hi', 'hi', 'hi'].map((prompt) => ({ prompt })));
});

const types = readdirSync(fixtures).filter((name) => name.startsWith('types-'));

test.each(types)('every type of value is read exactly from %s', async (name) => {
  const rows = await read(fixture(name));
  expect(rows).toEqual(JSON.parse(readFileSync(fixture('expected.json'), 'utf8')));
  // All values are JSON values.
  expect(JSON.parse(JSON.stringify(rows))).toEqual(rows);
});

test('lists and maps of older writers are read as those of current ones', async () => {
  const lists = [
    {
      prompt: [
        { role: 'user', content: 'a' },
        { role: 'assistant', content: 'b' },
      ],
      single: [{ content: 'x' }, { content: 'y' }],
      tags: ['p', 'q'],
      deep: [['p'], []],
    },
    { prompt: [], single: [], tags: [], deep: [] },
    {},
  ];
  expect(await read(fixture('lists.parquet'))).toEqual(lists);
  expect(await read(fixture('lists-two-level.parquet'))).toEqual(lists);
  for (const name of ['map.parquet', 'map-old.parquet'])
    expect(await read(fixture(name))).toEqual([{ map: { a: 1 } }, { map: {} }, {}]);
});

test('a local time has no zone, and a time of day is one', async () => {
  expect(await read(fixture('times.parquet'))).toEqual([
    { local: '2024-02-29T12:34:56.789012', time: '12:34:56.789012', seconds: '12:34:56.789' },
  ]);
});

/** Writes a changed copy of a fixture. @returns its path */
function changed(name: string, change: (bytes: Buffer) => Buffer): string {
  const path = join(folder, `changed-${name}`);
  writeFileSync(path, change(readFileSync(fixture(name))));
  return path;
}

/** An offset within the data of the first column's first page, which follows `PAR1` and a header of about 20 bytes. */
const PAGE = 60;

describe('is refused in one sentence that fits the cause:', () => {
  test.each<[string, () => string, RegExp]>([
    ['a missing file', () => '/nowhere/a.parquet', /^\/nowhere\/a\.parquet does not exist; check the path\.$/],
    ['a folder', () => fixtures, /fixtures\/parquet is a folder; give a file\.$/],
    ['no bytes', () => changed('gzip.parquet', () => Buffer.alloc(0)), /is empty; it needs at least one row\.$/],
    ['no rows', () => fixture('empty.parquet'), /empty\.parquet is empty; it needs at least one row\.$/],
    [
      'a file cut at its end',
      () => changed('gzip.parquet', (bytes) => bytes.subarray(0, -100)),
      /is cut short: it does not end with PAR1, as Parquet does; get it again\.$/,
    ],
    [
      'bytes after its end',
      () => changed('gzip.parquet', (bytes) => Buffer.concat([bytes, Buffer.from('\n')])),
      /does not end with PAR1, as Parquet does: other bytes follow it \(1\); remove them, or get the file again\.$/,
    ],
    ['a file cut to its magic', () => changed('gzip.parquet', (bytes) => bytes.subarray(0, 4)), /is cut short/],
    [
      'a file cut at its beginning',
      () => changed('gzip.parquet', (bytes) => bytes.subarray(100)),
      /is not Parquet; give the file its right extension, or get it again\.$/,
    ],
    [
      'a file with a piece missing',
      () => changed('gzip.parquet', (bytes) => Buffer.concat([bytes.subarray(0, 50), bytes.subarray(400)])),
      /is damaged \(.+\); get it again\.$/,
    ],
    ['JSON', () => changed('gzip.parquet', () => Buffer.from('{"prompt":"Hi"}\n')), /is not Parquet/],
    [
      'an encrypted footer',
      () => changed('gzip.parquet', (bytes) => Buffer.concat([bytes.subarray(0, -4), Buffer.from('PARE')])),
      /is encrypted Parquet/,
    ],
    [
      'a footer of no sense',
      () =>
        changed('gzip.parquet', (bytes) =>
          Buffer.concat([bytes.subarray(0, -700), Buffer.alloc(692, 0x5c), bytes.subarray(-8)]),
        ),
      /is damaged \(.+\); get it again\.$/,
    ],
    [
      'a footer longer than the file',
      () =>
        changed('gzip.parquet', (bytes) =>
          Buffer.concat([bytes.subarray(0, -8), Buffer.from([255, 255, 255, 127]), bytes.subarray(-4)]),
        ),
      /is damaged \(.+\); get it again\.$/,
    ],
    [
      'a column of another name than in the schema',
      () => changed('gzip.parquet', (bytes) => replaced(bytes, 'prompt', 'pramps')),
      /is damaged \(its row groups have other columns than its schema\); get it again\.$/,
    ],
    [
      'a page of gzip with a byte flipped',
      () => changed('gzip.parquet', (bytes) => flip(bytes, PAGE)),
      /is damaged \(.+\); get it again\.$/,
    ],
    [
      'a codec that is not supported',
      () => fixture('lzo.parquet'),
      /lzo\.parquet is compressed with LZO, which selm does not read; write it with SNAPPY, GZIP, /,
    ],
    [
      'two columns of one name',
      () => fixture('two-names.parquet'),
      /has two columns named "one"; rename one of them\.$/,
    ],
    [
      'a time beyond all dates',
      () => fixture('no-date.parquet'),
      /no-date\.parquet row 1 has a time that is no date in "at"/,
    ],
    [
      'an Arrow file',
      () => changed('gzip.parquet', () => Buffer.from('ARROW1\0\0')),
      /is an Arrow file; write it with Dataset\.to_parquet or to_json\.$/,
    ],
    [
      'a pointer of Git LFS',
      () => changed('gzip.parquet', () => Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:0\n')),
      /is a pointer of Git LFS; get the file itself with git lfs pull\.$/,
    ],
    [
      'a codec that nobody knows',
      () => fixture('unknown.parquet'),
      /is compressed with an unknown codec, which selm does not read/,
    ],
    [
      'text that is not UTF-8',
      () => fixture('latin-1.parquet'),
      /latin-1\.parquet row 2 has text that is not UTF-8 in "prompt\.0\.content"; correct it or leave the column out\.$/,
    ],
    ['NaN', () => fixture('nan.parquet'), /nan\.parquet row 2 has NaN in "score", which JSON cannot hold/],
  ])('%s', async (_, path, message) => {
    const failure = read(path());
    await expect(failure).rejects.toThrow(InputError);
    await expect(failure).rejects.toThrow(message);
  });
});

/** Replaces the last occurrence of a text. For a column's name, this is the occurrence in the row group. */
function replaced(bytes: Buffer, from: string, to: string): Buffer {
  const changed = Buffer.from(bytes);
  changed.write(to, bytes.lastIndexOf(from));
  return changed;
}

const flip = (bytes: Buffer, at: number) => {
  const flipped = Buffer.from(bytes);
  flipped[at] ^= 0x55;
  return flipped;
};

describe('whatever byte is wrong', () => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => unhandled.push(reason);
  beforeAll(() => process.on('unhandledRejection', note));
  afterAll(() => process.off('unhandledRejection', note));

  test.each(['gzip.parquet', 'zstd.parquet', 'types-v2.parquet'])(
    'in %s, it is read or refused, and no error goes astray',
    async (name) => {
      const bytes = readFileSync(fixture(name));
      const step = Math.ceil(bytes.length / 150);
      for (let at = 4; at < bytes.length - 8; at += step) {
        for (const path of [changed(name, () => flip(bytes, at)), changed(name, () => bytes.subarray(0, at))]) {
          const outcome = await read(path).catch((error: unknown) => error);
          if (outcome instanceof InputError) expect(outcome.message).toMatch(/^[^\n]{1,400}\.$/);
          else expect(outcome).toBeInstanceOf(Array);
        }
      }
      expect(unhandled).toEqual([]);
    },
  );

  test('of a footer, it is read or refused, and no error goes astray', async () => {
    const names = readdirSync(fixtures).filter((name) => name.endsWith('.parquet'));
    const random = randomNumbers(17);
    for (let i = 0; i < 400; i++) {
      const name = names[Math.floor(random() * names.length)];
      const bytes = Buffer.from(readFileSync(fixture(name)));
      const end = bytes.length - 8;
      for (const _ of [1, 2])
        bytes[end - 1 - Math.floor(random() * bytes.readUInt32LE(end))] = Math.floor(random() * 256);
      const outcome = await read(changed(name, () => bytes)).catch((error: unknown) => error);
      if (outcome instanceof InputError) expect(outcome.message).toMatch(/^[^\n]{1,400}\.$/);
      else expect(outcome).toBeInstanceOf(Array);
    }
    expect(unhandled).toEqual([]);
  });
});

/** A linear congruential generator (Numerical Recipes). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
}
