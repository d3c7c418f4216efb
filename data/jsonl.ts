/** Reads JSON Lines files with validation, and writes them atomically. */
import { createReadStream } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { z } from 'zod';
import { InputError } from './errors.ts';
import { exactFields } from './exact-fields.ts';
import { toJson } from './exact-json.ts';
import { readFailure } from './file-errors.ts';
import { otherForm } from './file-forms.ts';
import { decodeUtf8, parseJson } from './json.ts';
import { makeRow, parseRow, type Row } from './row.ts';

const NEWLINE = 0x0a;

/** All records of a file. @throws InputError with file and line for missing or invalid fields */
export async function readJsonl<T>(path: string, schema: z.ZodType<T>): Promise<T[]> {
  const records: T[] = [];
  for await (const row of jsonlRows(path)) records.push(parseRow(row, schema));
  return records;
}

/** The records of a text that selm has written. @param name of the text in errors. @throws InputError as `readJsonl` */
export const parseJsonl = <T>(name: string, text: string, schema: z.ZodType<T>): T[] =>
  text
    .split('\n')
    .filter(Boolean)
    .map((line, i) => parseRow(parseLine(line, `${name} line ${i + 1}`), schema));

/**
 * Records `from` (inclusive) to `to` (exclusive) of a file that selm has written. Only these records are in memory.
 * @throws InputError as `readJsonl`
 */
export async function readJsonlRange<T>(path: string, schema: z.ZodType<T>, from: number, to: number): Promise<T[]> {
  const records: T[] = [];
  if (to <= from) return records;
  for await (const { bytes, line } of linesOf(path, from)) {
    const where = `${path} line ${line}`;
    records.push(parseRow(parseLine(decodeUtf8(bytes, where), where), schema));
    if (line >= to) break;
  }
  return records;
}

/** The file's lines as rows, without blank lines. @throws InputError for a missing or empty file, or another file format */
export async function* jsonlRows(path: string): AsyncGenerator<Row> {
  let empty = true;
  for await (const { bytes, line } of linesOf(path)) {
    const where = `${path} line ${line}`;
    const text = decodeUtf8(bytes, where).replace(/^\ufeff/, '');
    if (text.trim() === '') continue;
    if (empty && text.trimStart().startsWith('[')) {
      throw new InputError(`${path} is a JSON array; write one object per line (JSON Lines).`);
    }
    empty = false;
    yield parseLine(text, where);
  }
  if (empty) throw new InputError(`${path} is empty; it needs at least one row.`);
}

/** A file's lines after the first `skipped`, numbered from 1. Read in pieces: the file may be larger than memory. */
async function* linesOf(path: string, skipped = 0): AsyncGenerator<{ bytes: Buffer; line: number }> {
  let line = 0;
  let begun: Buffer[] = [];
  for await (const chunk of piecesOf(path)) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      if (++line > skipped) yield { bytes: Buffer.concat([...begun, chunk.subarray(start, end)]), line };
      begun = [];
      start = end + 1;
    }
    if (start < chunk.length) begun.push(chunk.subarray(start));
  }
  if (begun.length > 0 && line >= skipped) yield { bytes: Buffer.concat(begun), line: ++line };
}

async function* piecesOf(path: string): AsyncGenerator<Buffer> {
  try {
    let begun = false;
    for await (const piece of createReadStream(path) as AsyncIterable<Buffer>) {
      if (!begun) checkForm(path, piece);
      begun = true;
      yield piece;
    }
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw readFailure(path, error);
  }
}

function checkForm(path: string, piece: Buffer): void {
  const is = otherForm(piece);
  if (is) throw new InputError(`${path} ${is}.`);
}

function parseLine(text: string, where: string): Row {
  const value = parseJson(text, where, 'every line must hold one JSON object.');
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new InputError(`${where} is not a JSON object; every line must hold one.`);
  }
  return makeRow(where, exactFields(value, text));
}

/** Writes atomically: writes a temporary file in the same folder and renames it to `path`. */
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
  for await (const row of rows) yield `${toJson(row)}\n`;
}
