/** Errors in a reader are thrown to its caller. An unhandled rejection would end the process. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { InputError } from '../../data/errors.ts';
import { jsonlRows, readJsonl, readJsonlRange } from '../../data/jsonl.ts';
import { readAnswers, readJudgements, readQuestions } from '../../evaluation/mt-bench/files.ts';
import { parquetRows } from '../../data/parquet.ts';
import { promptsOf, readPrompts } from '../../data/prompts.ts';
import {
  preferencesOf,
  readAnswered,
  readDemonstrations,
  readPreferences,
  readSampled,
  readScoreRows,
} from '../../data/readers.ts';
import { labelRecordSchema } from '../../data/records.ts';
import { folder } from './folder.ts';

const unhandled: unknown[] = [];
const note = (reason: unknown) => unhandled.push(reason);
beforeAll(() => process.on('unhandledRejection', note));
afterAll(() => process.off('unhandledRejection', note));

const readAll = async (rows: AsyncIterable<unknown>) => {
  for await (const _ of rows);
};

const readers: Record<string, (path: string) => Promise<unknown>> = {
  jsonlRows: (path) => readAll(jsonlRows(path)),
  parquetRows: (path) => readAll(parquetRows(path)),
  promptsOf: (path) => readAll(promptsOf(path)),
  preferencesOf: (path) => readAll(preferencesOf(path)),
  readJsonl: (path) => readJsonl(path, labelRecordSchema),
  readJsonlRange: (path) => readJsonlRange(path, labelRecordSchema, 0, 9),
  readPrompts,
  readSampled,
  readAnswered,
  readPreferences,
  readScoreRows,
  readDemonstrations,
  readQuestions,
  readAnswers,
  readJudgements,
};

/** Damaged files, by their fault, which may be at the beginning or after valid rows. */
const parquet = readFileSync('test/fixtures/parquet/gzip.parquet');
const damaged = Buffer.from(parquet);
damaged.fill(0x55, 40, 400);
const files: Record<string, () => string> = {
  'a folder': () => folder,
  'a row that is cut': () => written('cut.jsonl', `${'{"id": "a", "prompt": "Hi"}\n'.repeat(10_000)}{"id":`),
  'a row that is no object': () => written('number.jsonl', '7\n'),
  'Parquet that is damaged': () => written('damaged.parquet', damaged),
  'Parquet whose footer is damaged': () =>
    written(
      'footer.parquet',
      Buffer.concat([parquet.subarray(0, -300), Buffer.alloc(292, 0x19), parquet.subarray(-8)]),
    ),
};

function written(name: string, content: string | Buffer): string {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
}

describe.each(Object.entries(files))('%s', (_, file) => {
  test.each(Object.entries(readers))('fails %s with one input error', async (_name, read) => {
    const path = file();
    const failure = read(path);
    await expect(failure).rejects.toThrow(InputError);
    await expect(failure).rejects.toThrow(path);
    await setImmediate();
    expect(unhandled).toEqual([]);
  });
});

test.each<[string, (path: string) => AsyncIterable<unknown>, string]>([
  ['jsonlRows', jsonlRows, 'a.jsonl'],
  ['promptsOf', promptsOf, 'a.jsonl'],
  ['parquetRows', parquetRows, 'a.parquet'],
])('an error of whoever reads ends %s', async (_, read, name) => {
  const path = written(name, name.endsWith('.parquet') ? parquet : '{"id": "a", "prompt": "Hi"}\n'.repeat(10_000));
  const reading = (async () => {
    for await (const _row of read(path)) throw new Error('enough');
  })();
  await expect(reading).rejects.toThrow('enough');
  await setImmediate();
  expect(unhandled).toEqual([]);
});
