/** JSON Lines files: read with validation, written whole or not at all. */
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createReadStream } from 'node:fs';
import { dirname } from 'node:path';
import type { z } from 'zod';
import { InputError } from './errors.ts';
import { makeRow, parseRow, type Row } from './row.ts';

/** All records of the file. Throws an InputError with file and line for whatever is missing or does not fit `schema`. */
export async function readJsonl<T>(path: string, schema: z.ZodType<T>): Promise<T[]> {
  return (await readJsonlRows(path)).map((row) => parseRow(row, schema));
}

/** The records of a text; `name` stands for it in errors, which are those of `readJsonl`. */
export const parseJsonl = <T>(name: string, text: string, schema: z.ZodType<T>): T[] =>
  rowsOf(name, Buffer.from(text)).map((row) => parseRow(row, schema));

/**
 * Records `from` to `to` of a file that selm has written, the last not included: no more of it is in memory than these.
 * @throws InputError as `readJsonl`
 */
export async function readJsonlRange<T>(path: string, schema: z.ZodType<T>, from: number, to: number): Promise<T[]> {
  const records: T[] = [];
  let line = 0;
  let begun: Buffer[] = [];
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    let start = 0;
    for (let end = chunk.indexOf(0x0a); end >= 0 && line < to; end = chunk.indexOf(0x0a, start)) {
      if (line++ >= from) {
        const text = Buffer.concat([...begun, chunk.subarray(start, end)]).toString('utf8');
        records.push(parseRow(parseLine(text, `${path} line ${line}`), schema));
      }
      begun = [];
      start = end + 1;
    }
    if (line >= to) break;
    if (line >= from) begun.push(chunk.subarray(start));
  }
  return records;
}

/** The file's lines as rows, blank lines left out. Throws an InputError where it is missing, empty or not JSON Lines. */
export async function readJsonlRows(path: string): Promise<Row[]> {
  return rowsOf(path, await readBytes(path));
}

function rowsOf(path: string, bytes: Buffer): Row[] {
  const rows: Row[] = [];
  // Lines are cut from the bytes: a file may be larger than the longest string that JavaScript can hold.
  for (let start = 0, line = 1; start < bytes.length; line++) {
    const newline = bytes.indexOf(0x0a, start);
    const end = newline < 0 ? bytes.length : newline;
    const text = bytes.toString('utf8', start, end).replace(/^\ufeff/, '');
    start = end + 1;
    if (text.trim() !== '') rows.push(parseLine(text, `${path} line ${line}`));
  }
  if (rows.length === 0) throw new InputError(`${path} is empty; it needs at least one row.`);
  return rows;
}

async function readBytes(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new InputError(`${path} does not exist; check the path.`);
    throw new InputError(`${path} cannot be read (${code}); it must be a file that you may read.`);
  }
}

function parseLine(text: string, where: string): Row {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new InputError(`${where} is not JSON; every line must hold one JSON object.`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new InputError(`${where} is not a JSON object; every line must hold one.`);
  }
  return makeRow(where, value);
}

/** Writes a temporary file beside `path` and renames it: whoever reads `path` sees the old file or the whole new one. */
export async function writeJsonl(path: string, rows: Iterable<object> | AsyncIterable<object>): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  await mkdir(dirname(path), { recursive: true });
  try {
    await writeFile(temporary, lines(rows), { flush: true });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

async function* lines(rows: Iterable<object> | AsyncIterable<object>): AsyncGenerator<string> {
  for await (const row of rows) yield `${JSON.stringify(row)}\n`;
}
