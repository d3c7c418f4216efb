/** Parquet files as hub data sets have them. */
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { InputError } from './errors.ts';
import { makeRow, type Row } from './row.ts';

/** The file's rows, numbered from 1, a row group at a time. Throws an InputError where it is missing, empty or not Parquet. */
export async function* parquetRows(path: string): AsyncGenerator<Row> {
  let rowEnd = 0;
  for await (const objects of rowGroups(path)) {
    for (const fields of objects) yield makeRow(`${path} row ${++rowEnd}`, withNumbers(fields) as object);
  }
  if (rowEnd === 0) throw new InputError(`${path} is empty; it needs at least one row.`);
}

async function* rowGroups(path: string): AsyncGenerator<Record<string, unknown>[]> {
  try {
    const file = await asyncBufferFromFile(path);
    const metadata = await parquetMetadataAsync(file);
    let rowStart = 0;
    for (const group of metadata.row_groups) {
      const rowEnd = rowStart + Number(group.num_rows);
      yield await parquetReadObjects({ file, metadata, rowStart, rowEnd });
      rowStart = rowEnd;
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new InputError(`${path} does not exist; check the path.`);
    throw new InputError(`${path} cannot be read as Parquet (${message}); check that it is complete.`);
  }
}

/** 64-bit integers come out of Parquet as bigint, which JSON cannot write. */
function withNumbers(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (Array.isArray(value)) return value.map(withNumbers);
  if (value?.constructor !== Object) return value;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, withNumbers(entry)]));
}
