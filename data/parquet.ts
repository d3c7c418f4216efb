/** Parquet files as hub data sets have them. */
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { InputError } from './errors.ts';
import { makeRow, type Row } from './row.ts';

/** The file's rows, numbered from 1. Throws an InputError where it is missing, empty or not Parquet. */
export async function readParquetRows(path: string): Promise<Row[]> {
  let objects: Record<string, unknown>[];
  try {
    objects = await parquetReadObjects({ file: await asyncBufferFromFile(path) });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new InputError(`${path} does not exist; check the path.`);
    throw new InputError(`${path} cannot be read as Parquet (${message}); check that it is complete.`);
  }
  if (objects.length === 0) throw new InputError(`${path} is empty; it needs at least one row.`);
  return objects.map((fields, index) => makeRow(`${path} row ${index + 1}`, withNumbers(fields) as object));
}

/** 64-bit integers come out of Parquet as bigint, which JSON cannot write. */
function withNumbers(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (Array.isArray(value)) return value.map(withNumbers);
  if (value?.constructor !== Object) return value;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, withNumbers(entry)]));
}
