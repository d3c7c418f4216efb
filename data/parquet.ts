/** Reads Parquet files of the hub's data sets, pandas, polars, Spark and DuckDB. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import {
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema,
  type AsyncBuffer,
  type Compressors,
  type FileMetaData,
  type SchemaTree,
} from 'hyparquet';
import { compressors as libraries } from 'hyparquet-compressors';
import { InputError, ReadFailed } from './errors.ts';
import { readFailure } from './file-errors.ts';
import { otherForm } from './file-forms.ts';
import { decompressLz4 } from './lz4.ts';
import { footerFault } from './parquet-footer.ts';
import { currentForm } from './parquet-schema.ts';
import { keepRawDecimals, PARSERS, valuesOf } from './parquet-values.ts';
import { makeRow, type Row } from './row.ts';

/** Decompressors. Node's decompressors are preferred because they check the data. A page of nulls has no bytes to decompress. */
const COMPRESSORS: Compressors = Object.fromEntries(
  Object.entries({
    ...libraries,
    LZ4: decompressLz4,
    GZIP: unzip(gunzipSync),
    BROTLI: unzip(brotliDecompressSync),
  }).map(([codec, decompress]) => [
    codec,
    (bytes, length) => (length === 0 ? new Uint8Array() : decompress(bytes, length)),
  ]),
);

function unzip(decompress: (bytes: Uint8Array, options: { maxOutputLength: number }) => Buffer) {
  return (bytes: Uint8Array, length: number) =>
    new Uint8Array(decompress(bytes, { maxOutputLength: Math.max(1, length) }));
}

/** The file's rows, numbered from 1, read by row groups. @throws InputError when it is missing or damaged */
export async function* parquetRows(path: string): AsyncGenerator<Row> {
  const descriptor = readable(path, () => openSync(path, 'r'));
  try {
    yield* rowsOf(path, bufferOf(path, descriptor));
  } finally {
    closeSync(descriptor);
  }
}

async function* rowsOf(path: string, file: AsyncBuffer): AsyncGenerator<Row> {
  checkForm(path, file);
  const written = await undamaged(path, () => parquetMetadataAsync(file));
  checkCodecs(path, written);
  const fault = await undamaged(path, () => footerFault(written, parquetSchema(written), file.byteLength));
  if (fault !== undefined) throw damaged(path, fault);
  const metadata = keepRawDecimals(currentForm(written));
  const schema = parquetSchema(metadata);
  checkNames(path, schema);
  let rowEnd = 0;
  for (const group of metadata.row_groups) {
    const rowStart = rowEnd;
    const size = Number(group.num_rows);
    const rows = await undamaged(path, () =>
      parquetReadObjects({
        file,
        metadata,
        rowStart,
        rowEnd: rowStart + size,
        compressors: COMPRESSORS,
        parsers: PARSERS,
        utf8: false,
      }),
    );
    if (rows.length !== size) throw damaged(path, `${rows.length} of ${size} rows in a row group`);
    for (const fields of rows) {
      const where = `${path} row ${++rowEnd}`;
      yield makeRow(where, valuesOf(fields, schema.children, where));
    }
  }
}

/** Of two columns with one name, a row could hold one only. */
function checkNames(path: string, { children }: SchemaTree): void {
  const names = children.map(({ element }) => element.name);
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined) throw new InputError(`${path} has two columns named "${twice}"; rename one of them.`);
  if (names.includes('__proto__')) throw new InputError(`${path} has a column named "__proto__"; rename it.`);
  for (const child of children) checkNames(path, child);
}

/** Bytes per read call: Node rejects 2 GiB. */
const AT_ONCE = 1 << 30;

/** The file's bytes, read synchronously: a promise could reject while nothing awaits it. */
function bufferOf(path: string, descriptor: number): AsyncBuffer {
  const { size: byteLength } = fstatSync(descriptor);
  const slice = (start: number, end = byteLength) => {
    const bytes = new Uint8Array(Math.max(0, Math.min(end, byteLength) - start));
    let read = 0;
    while (read < bytes.length) {
      const count = readable(path, () =>
        readSync(descriptor, bytes, read, Math.min(bytes.length - read, AT_ONCE), start + read),
      );
      if (count === 0) throw damaged(path, 'it became shorter while it was read');
      read += count;
    }
    return bytes.buffer;
  };
  return { byteLength, slice };
}

const MAGIC = 'PAR1';
/** Bytes at the end of a file to search for the magic, which distinguishes trailing bytes from a truncated file. */
const MOST_TRAILING = 1024;

/** Distinguishes a truncated file from one of another format. */
function checkForm(path: string, { byteLength, slice }: AsyncBuffer): void {
  const textOf = (start: number) => Buffer.from(slice(start, start + MAGIC.length) as ArrayBuffer).toString('latin1');
  const [beginning, end] = [textOf(0), byteLength < 12 ? '' : textOf(byteLength - MAGIC.length)];
  if (end === MAGIC && beginning === MAGIC) return;
  if (end === 'PARE')
    throw new InputError(`${path} is encrypted Parquet, which selm does not read; write it unencrypted.`);
  if (beginning === MAGIC) {
    const tail = Buffer.from(slice(Math.max(0, byteLength - MOST_TRAILING), byteLength) as ArrayBuffer);
    const at = tail.lastIndexOf(MAGIC);
    const trailing = tail.length - at - MAGIC.length;
    if (at > 0)
      throw new InputError(
        `${path} does not end with ${MAGIC}, as Parquet does: other bytes follow it (${trailing}); remove them, or get the file again.`,
      );
    throw new InputError(`${path} is cut short: it does not end with ${MAGIC}, as Parquet does; get it again.`);
  }
  if (beginning === '') throw new InputError(`${path} is empty; it needs at least one row.`);
  const is =
    otherForm(new Uint8Array(slice(0, 8) as ArrayBuffer)) ??
    'is not Parquet; give the file its right extension, or get it again';
  throw new InputError(`${path} ${is}.`);
}

function readable<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw readFailure(path, error);
  }
}

function checkCodecs(path: string, { row_groups: groups }: FileMetaData): void {
  for (const { columns } of groups) {
    for (const { meta_data: column } of columns) {
      const codec: string | undefined = column?.codec;
      if (codec === 'UNCOMPRESSED' || (codec !== undefined && codec in COMPRESSORS)) continue;
      throw new InputError(
        `${path} is compressed with ${codec ?? 'an unknown codec'}, which selm does not read; ` +
          `write it with ${Object.keys(COMPRESSORS).join(', ')} or UNCOMPRESSED.`,
      );
    }
  }
}

async function undamaged<T>(path: string, read: () => T | Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof InputError || error instanceof ReadFailed) throw error;
    const { message } = error as Error;
    if (message.startsWith('thrift unhandled type')) {
      throw new InputError(
        `${path} has a footer that selm does not read (${message}): write it without encryption, or get it again.`,
      );
    }
    const [, what, unsupported] = /^parquet (?:unsupported )?(.+?)( not supported)?$/.exec(message) ?? [];
    // In a damaged page the name of the unsupported feature is undefined.
    if (what !== undefined && (unsupported || message.includes('unsupported')) && !what.includes('undefined')) {
      throw new InputError(`${path} has a column that selm does not read (${what}); write it without that column.`);
    }
    throw damaged(path, what ?? message);
  }
}

const damaged = (path: string, how: string) =>
  new InputError(`${path} is damaged (${how.replaceAll(/\s+/g, ' ')}); get it again.`);
