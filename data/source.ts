/** Sources of rows: JSON Lines files, Parquet files, and data sets of the Hugging Face hub. */
import { existsSync } from 'node:fs';
import { InputError } from './errors.ts';
import { isDatasetId } from './hub/ids.ts';
import { downloadDataset } from './hub/datasets.ts';
import { jsonlRows } from './jsonl.ts';
import type { Row } from './row.ts';
import { withRoles } from './sharegpt.ts';

/** Whether rows come from the hub: `source` has the form of a data set's id, and no file has this path. */
export const isRemote = (source: string): boolean => !existsSync(source) && isDatasetId(source);

/**
 * The rows of a file (Parquet by its extension, otherwise JSON Lines) or of hub data set `org/name[/config][:split]`, one by one. Texts in
 * ShareGPT's form are converted to messages.
 */
export async function* rowsOf(source: string): AsyncGenerator<Row> {
  for await (const row of rowsAsTheyAre(source)) yield withRoles(row);
}

async function* rowsAsTheyAre(source: string): AsyncGenerator<Row> {
  const isFile = !isRemote(source);
  if (isFile && !source.endsWith('.parquet')) return yield* jsonlRows(source);
  let isEmpty = true;
  // A file of a data set may be empty.
  for (const file of isFile ? [source] : await downloadDataset(source)) {
    for await (const row of parquetRowsOf(file)) {
      isEmpty = false;
      yield row;
    }
  }
  if (isEmpty) throw new InputError(`${source} is empty; it needs at least one row.`);
}

/** The library is loaded with the first file: it builds tables, and most commands read none. */
async function* parquetRowsOf(path: string): AsyncGenerator<Row> {
  const { parquetRows } = await import('./parquet.ts');
  yield* parquetRows(path);
}
