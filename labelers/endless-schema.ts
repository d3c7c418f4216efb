/** Finds JSON schemas that refer to themselves without end. */

/** Keywords whose schemas apply to the same value as the schema that has them: one schema, a list of schemas, or schemas by name. */
const ONE = ['not', 'if', 'then', 'else'];
const LISTS = ['allOf', 'anyOf', 'oneOf'];
const BY_NAME = ['dependentSchemas', 'dependencies'];
const REFERENCES = ['$ref', '$dynamicRef'];
const ANCHORS = ['$anchor', '$dynamicAnchor'];

type Schema = Record<string, unknown>;

const isSchema = (value: unknown): value is Schema =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Whether a value is compared with the same schema again and again, as by `{"$ref": "#"}`. A schema may refer to itself for the parts of a
 * value, because values end. References to `$id`s are not followed.
 */
export function isEndless(root: Schema): boolean {
  const all = schemasIn(root);
  const anchors = new Map(all.flatMap((schema) => ANCHORS.map((name): [unknown, Schema] => [schema[name], schema])));
  const target = (reference: unknown): unknown => {
    if (typeof reference !== 'string' || !reference.startsWith('#')) return undefined;
    return /^#(\/|$)/.test(reference) ? atPointer(root, reference) : anchors.get(reference.slice(1));
  };
  const next = (schema: Schema): unknown[] => [
    ...REFERENCES.map((name) => target(schema[name])),
    ...ONE.map((name) => schema[name]),
    ...LISTS.flatMap((name) => schema[name]),
    ...BY_NAME.flatMap((name) => (isSchema(schema[name]) ? Object.values(schema[name]) : [])),
  ];
  const [open, ended] = [new Set<Schema>(), new Set<Schema>()];
  const returns = (schema: unknown): boolean => {
    if (!isSchema(schema) || ended.has(schema)) return false;
    if (open.has(schema)) return true;
    open.add(schema);
    const found = next(schema).some(returns);
    open.delete(schema);
    ended.add(schema);
    return found;
  };
  return all.some(returns);
}

/** All objects in a schema. */
function schemasIn(value: unknown): Schema[] {
  if (typeof value !== 'object' || value === null) return [];
  return [...(isSchema(value) ? [value] : []), ...Object.values(value).flatMap(schemasIn)];
}

/** The part of a schema at a JSON pointer (RFC 6901) in a fragment of a URI. */
function atPointer(root: Schema, fragment: string): unknown {
  const names = fragment.split('/').slice(1);
  return names.reduce<unknown>((at, name) => {
    const key = decodeURIComponent(name).replaceAll('~1', '/').replaceAll('~0', '~');
    return typeof at === 'object' && at !== null && Object.hasOwn(at, key) ? (at as Schema)[key] : undefined;
  }, root);
}
