/** Brings the older forms of lists and maps in a Parquet schema into the current one, which hyparquet reads. */
import { parquetSchema, type FileMetaData, type SchemaElement, type SchemaTree } from 'hyparquet';

/**
 * The metadata with current lists, maps and dates. Levels of repetition and definition do not change, so that pages are read as before.
 * The rules are those of parquet-format's LogicalTypes.md, "Backward-compatibility rules".
 */
export function currentForm(metadata: FileMetaData): FileMetaData {
  const schema = flattened(parquetSchema(metadata));
  const paths = leafPaths(parquetSchema({ ...metadata, schema }));
  const row_groups = metadata.row_groups.map((group) => ({
    ...group,
    columns: group.columns.map((column, i) => ({
      ...column,
      meta_data: column.meta_data && { ...column.meta_data, path_in_schema: paths[i] },
    })),
  }));
  return { ...metadata, schema, row_groups };
}

/** The paths of the columns, in the order of the file. */
export const leafPaths = ({ children, path }: SchemaTree): string[][] =>
  children.length === 0 ? [path] : children.flatMap(leafPaths);

function flattened({ element, children }: SchemaTree): SchemaElement[] {
  const [repeated] = children;
  const wrapsRepeated = children.length === 1 && repeated.element.repetition_type === 'REPEATED';
  if (wrapsRepeated && is(element, 'LIST', ['LIST'])) {
    return [{ ...element, converted_type: 'LIST' }, ...listOf(element.name, repeated)];
  }
  if (wrapsRepeated && repeated.children.length === 2 && is(element, 'MAP', ['MAP', 'MAP_KEY_VALUE'])) {
    const [key, value] = repeated.children;
    // Only the annotation of the map itself counts.
    const entry = { ...repeated.element, converted_type: undefined, logical_type: undefined };
    return [
      { ...element, converted_type: 'MAP' },
      entry,
      ...flattened(renamed(key, 'key')),
      ...flattened(renamed(value, 'value')),
    ];
  }
  const isDate = element.logical_type?.type === 'DATE';
  return [isDate ? { ...element, converted_type: 'DATE' } : element, ...children.flatMap(flattened)];
}

const is = ({ converted_type, logical_type }: SchemaElement, logical: string, converted: string[]): boolean =>
  logical_type?.type === logical || (converted_type !== undefined && converted.includes(converted_type));

const renamed = (node: SchemaTree, name: string, more: Partial<SchemaElement> = {}): SchemaTree => ({
  ...node,
  element: { ...node.element, name, ...more },
});

/** The content of a list. In the older form, the repeated node is the element and not a group around it. */
function listOf(name: string, repeated: SchemaTree): SchemaElement[] {
  const { element, children } = repeated;
  const isElement =
    children.length !== 1 ||
    children[0].element.repetition_type === 'REPEATED' ||
    ['array', `${name}_tuple`].includes(element.name);
  if (!isElement) return flattened(repeated);
  const group: SchemaElement = { name: 'list', repetition_type: 'REPEATED', num_children: 1 };
  return [group, ...flattened(renamed(repeated, 'element', { repetition_type: 'REQUIRED' }))];
}
