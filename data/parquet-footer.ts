/** Checks a Parquet file's footer, since the library does not check it. */
import type { ColumnMetaData, FileMetaData, SchemaTree } from 'hyparquet';
import { leafPaths } from './parquet-schema.ts';

/**
 * What is wrong with a footer; undefined if each row group has a chunk for every column of the schema, and each chunk is within
 * the file and as long as its row group. In hyparquet, an unexpected chunk causes an unhandled rejection, which ends the process.
 * @param fileLength in bytes
 */
export function footerFault(
  { row_groups: groups }: FileMetaData,
  schema: SchemaTree,
  fileLength: number,
): string | undefined {
  const names = leafPaths(schema).map((path) => path.join('.'));
  for (const { columns, num_rows: rows } of groups) {
    const found = columns.map(({ meta_data: column }) => column?.path_in_schema.join('.'));
    if (found.length !== names.length || names.some((name, i) => name !== found[i]))
      return 'its row groups have other columns than its schema';
    if (columns.some(({ file_path: path }) => path)) return 'it has a column in another file';
    if (columns.some(({ meta_data: column }) => !isWithin(column!, fileLength)))
      return 'a column lies outside the file';
    // A column has a value or a null for every row, and more for lists.
    if (columns.some(({ meta_data: column }) => column!.num_values < rows))
      return 'a column is shorter than its row group';
  }
  return undefined;
}

function isWithin(column: ColumnMetaData, fileLength: number): boolean {
  const { dictionary_page_offset: dictionary, data_page_offset: data, total_compressed_size: size } = column;
  const start = Number(dictionary || data);
  return start >= 0 && size >= 0n && start + Number(size) <= fileLength;
}
