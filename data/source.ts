/** Where rows come from: a JSON Lines file, a Parquet file, or a data set of the Hugging Face hub. */
import { existsSync } from 'node:fs';
import { downloadDataset, isDatasetId } from './hub.ts';
import { readJsonlRows } from './jsonl.ts';
import { readParquetRows } from './parquet.ts';
import type { Row } from './row.ts';

/** All rows of a file (Parquet by its extension, else JSON Lines) or of hub data set `org/name[/config][:split]`. */
export async function readRows(source: string): Promise<Row[]> {
  if (!existsSync(source) && isDatasetId(source)) {
    const files = await downloadDataset(source);
    return (await Promise.all(files.map(readParquetRows))).flat();
  }
  return source.endsWith('.parquet') ? readParquetRows(source) : readJsonlRows(source);
}
