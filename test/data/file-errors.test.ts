/** A file that temporarily cannot be read is neither missing nor invalid: the operation is retried. */
import { randomUUID } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { InputError, ReadFailed } from '../../data/errors.ts';
import { exists } from '../../data/file-errors.ts';
import { jsonlRows } from '../../data/jsonl.ts';
import { readJudgements } from '../../evaluation/mt-bench/files.ts';
import { parquetRows } from '../../data/parquet.ts';
import { readAdapterConfig } from '../../engine/model-files/adapter-config.ts';
import { findJson } from '../../engine/model-files/json-file.ts';
import { openSafetensors } from '../../engine/model-files/safetensors.ts';
import { readTemplates, withTemplateOf } from '../../engine/tokenizer/template-files.ts';
import { CODES, withFileErrors } from '../artifacts/file-errors.ts';
import { folder } from './folder.ts';

const readAll = async (rows: AsyncIterable<unknown>) => {
  for await (const _ of rows);
};

/** Functions that read a file or a folder. Some of them accept a missing one. */
const readers: Record<string, (path: string) => unknown> = {
  jsonlRows: (path) => readAll(jsonlRows(path)),
  parquetRows: (path) => readAll(parquetRows(path)),
  readJudgements,
  findJson,
  openSafetensors,
  readAdapterConfig,
  withTemplateOf,
  readTemplates: (path) => readTemplates(path, {}),
  exists,
};

const user = join(folder, 'unreadable');
const key = 'a'.repeat(64);
const ofStore = [`objects/${key}`, `checkpoints/${key}/step-00000014`, `unfinished/${randomUUID()}`].map((place) =>
  join(folder, place, 'unreadable'),
);
beforeAll(() => {
  for (const path of ofStore) mkdirSync(dirname(path), { recursive: true });
  for (const path of [user, ...ofStore]) writeFileSync(path, '{}');
});

const failureOf = (code: string, path: string, read: (path: string) => unknown) =>
  withFileErrors(code, new RegExp(`^${path}`), async () => read(path)).then(
    (value) => ({ value }),
    (error: unknown) => error,
  );

describe.each(Object.entries(readers))('%s', (_name, read) => {
  test.each(CODES.filter((code) => code !== 'EACCES'))('%s passes', async (code) => {
    expect(await failureOf(code, user, read)).toBeInstanceOf(ReadFailed);
  });

  test("EACCES is the user's to mend, but in the store, which could write the file", async () => {
    expect(await failureOf('EACCES', user, read)).toBeInstanceOf(InputError);
    for (const path of ofStore) expect(await failureOf('EACCES', path, read)).toBeInstanceOf(ReadFailed);
  });
});

test('a file is no folder: nothing is in it', () => {
  expect([exists(user), exists(join(user, 'x')), exists(join(folder, 'nothing'))]).toEqual([true, false, false]);
});
