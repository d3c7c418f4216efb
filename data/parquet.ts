/** Parquet files as hub data sets, pandas, polars, Spark and DuckDB write them. */
import { open } from 'node:fs/promises';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects, parquetSchema, type Compressors, type FileMetaData } from 'hyparquet'; // prettier-ignore
import { compressors as libraries } from 'hyparquet-compressors';
import { InputError } from './errors.ts';
import { keepRawDecimals, PARSERS, valuesOf } from './parquet-values.ts';
import { makeRow, type Row } from './row.ts';

/** Node's own, where it has one: it checks what it decompresses. A page whose values are all null has no bytes to decompress. */
const COMPRESSORS: Compressors = Object.fromEntries(
  Object.entries({ ...libraries, GZIP: unzip(gunzipSync), BROTLI: unzip(brotliDecompressSync) }).map(
    ([codec, decompress]) => [codec, (bytes, length) => (length === 0 ? new Uint8Array() : decompress(bytes, length))],
  ),
);

function unzip(decompress: (bytes: Uint8Array, options: { maxOutputLength: number }) => Buffer) {
  return (bytes: Uint8Array, length: number) => new Uint8Array(decompress(bytes, { maxOutputLength: Math.max(1, length) })); // prettier-ignore
}

/** The file's rows, numbered from 1, a row group at a time. Throws an InputError where it is missing, empty or damaged. */
export async function* parquetRows(path: string): AsyncGenerator<Row> {
  await checkForm(path);
  const file = await asyncBufferFromFile(path);
  const metadata = await undamaged(path, () => parquetMetadataAsync(file));
  checkCodecs(path, metadata);
  const { children: columns } = await undamaged(path, () => parquetSchema(keepRawDecimals(metadata)));
  let rowEnd = 0;
  for (const group of metadata.row_groups) {
    const rowStart = rowEnd;
    const size = Number(group.num_rows);
    const rows = await undamaged(path, () => parquetReadObjects({ file, metadata, rowStart, rowEnd: rowStart + size, compressors: COMPRESSORS, parsers: PARSERS, utf8: false })); // prettier-ignore
    if (rows.length !== size) throw damaged(path, `${rows.length} of ${size} rows in a row group`);
    for (const fields of rows) {
      const where = `${path} row ${++rowEnd}`;
      yield makeRow(where, valuesOf(fields, columns, where));
    }
  }
  if (rowEnd === 0) throw new InputError(`${path} is empty; it needs at least one row.`);
}

const MAGIC = 'PAR1';

/** Tells a file that is cut from one that is something else. */
async function checkForm(path: string): Promise<void> {
  const { beginning, end } = await endsOf(path);
  if (end === MAGIC && beginning === MAGIC) return;
  if (end === 'PARE') throw new InputError(`${path} is encrypted Parquet, which selm does not read; write it unencrypted.`); // prettier-ignore
  if (beginning === MAGIC) throw new InputError(`${path} is cut short: it does not end as Parquet does; get it again.`);
  if (beginning === '') throw new InputError(`${path} is empty; it needs at least one row.`);
  throw new InputError(`${path} is not Parquet; give the file its right extension, or get it again.`);
}

async function endsOf(path: string): Promise<{ beginning: string; end: string }> {
  try {
    const file = await open(path);
    try {
      const { size } = await file.stat();
      const read = async (position: number) => {
        const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, position);
        return buffer.toString('latin1', 0, bytesRead);
      };
      return { beginning: await read(0), end: size < 12 ? '' : await read(size - 4) };
    } finally {
      await file.close();
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new InputError(`${path} does not exist; check the path.`);
    throw new InputError(`${path} cannot be read (${code}); it must be a file that you may read.`);
  }
}

function checkCodecs(path: string, { row_groups: groups }: FileMetaData): void {
  for (const { columns } of groups) {
    for (const { meta_data: column } of columns) {
      const codec: string | undefined = column?.codec;
      if (codec === 'UNCOMPRESSED' || (codec !== undefined && codec in COMPRESSORS)) continue;
      throw new InputError(
        `${path} is compressed with ${codec ?? 'an unknown codec'}, which selm does not read; write it with ${Object.keys(COMPRESSORS).join(', ')} or UNCOMPRESSED.`,
      );
    }
  }
}

async function undamaged<T>(path: string, read: () => T | Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    const { message } = error as Error;
    const [, what, unsupported] = /^parquet (?:unsupported )?(.+?)( not supported)?$/.exec(message) ?? [];
    // What a damaged page says of itself is not defined.
    if (what !== undefined && (unsupported || message.includes('unsupported')) && !what.includes('undefined')) {
      throw new InputError(`${path} has a column that selm does not read (${what}); write it without that column.`);
    }
    throw damaged(path, what ?? message);
  }
}

const damaged = (path: string, how: string) =>
  new InputError(`${path} is damaged (${how.replaceAll(/\s+/g, ' ')}); get it again.`);
