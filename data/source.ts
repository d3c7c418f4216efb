/** Where rows come from: a JSON Lines file, a Parquet file, or a data set of the Hugging Face hub. */
import { existsSync } from 'node:fs';
import { downloadDataset, isDatasetId } from './hub.ts';
import { jsonlRows } from './jsonl.ts';
import { parquetRows } from './parquet.ts';
import type { Row } from './row.ts';

/** The rows of a file (Parquet by its extension, else JSON Lines) or of hub data set `org/name[/config][:split]`, one by one. */
export async function* rowsOf(source: string): AsyncGenerator<Row> {
  if (!existsSync(source) && isDatasetId(source)) {
    for (const file of await downloadDataset(source)) yield* parquetRows(file);
  } else yield* source.endsWith('.parquet') ? parquetRows(source) : jsonlRows(source);
}
