/** Describes what is wrong with a configuration, in one sentence. */
import { distance } from 'fastest-levenshtein';
import { z } from 'zod';

/**
 * Describes the first problem of a document: the key, the value, what is expected, and where to read about it.
 * @param document that `schema` does not accept
 * @param page documents the keys of the schema
 * @returns a sentence that begins with the key
 */
export function describeProblem(
  schema: z.ZodType,
  document: unknown,
  { issues }: z.ZodError,
  page = 'docs/config.md',
): string {
  // A misspelled required key is also missing: report the misspelling, which is the cause.
  const issue = innermost(firstOf(issues));
  const path = issue.path.join('.');
  if (issue.code === 'unrecognized_keys') {
    const unknown = [...issue.path, issue.keys[0]].join('.');
    const keys = keysOf(schema);
    if (keys.includes(unknown))
      return `"${unknown}" is not a setting of ${kindAt(document, issue.path)}; remove it, or give the section as a whole.`;
    const meant = nearest(unknown, keys);
    if (meant !== undefined) return `there is no key "${unknown}"; did you mean "${meant}"?`;
    // In an entry of a list, whose keys `keysOf` does not have.
    const others = Object.keys(valueAt(document, issue.path) as object).filter((key) => !issue.keys.includes(key));
    const beside = others.length === 0 ? '' : ` beside "${others.join('", "')}"`;
    return `there is no key "${unknown}"${beside}; remove it, or see ${page}.`;
  }
  // The value may be a secret in the wrong place: it is not printed.
  if (issue.code === 'custom' && issue.params?.['hidden'])
    return `"${path}" is not valid: ${issue.message}; see ${page}.`;
  const value = valueAt(document, issue.path);
  if (value === undefined)
    return `"${path}" is missing${issue.code === 'custom' ? `: ${issue.message}` : ''}; see ${page}.`;
  if (value === null) return `"${path}" has no value; give it one or remove the key.`;
  const expected = issue.message.replace(/^(Invalid input|Invalid option|Too small|Too big): /, '');
  return `"${path}" cannot be ${JSON.stringify(value)}: ${expected}; see ${page}.`;
}

type Issue = z.core.$ZodIssue;

const valueAt = (document: unknown, path: PropertyKey[]): unknown =>
  path.reduce((inner, key) => (inner as Record<PropertyKey, unknown> | undefined)?.[key], document);

/** The kind of a section that has several: `by` names a labeler. */
function kindAt(document: unknown, path: PropertyKey[]): string {
  const { by } = valueAt(document, path) as { by?: string };
  return by === undefined ? 'the default labeler' : `the labeler "${by}"`;
}

const firstOf = (issues: Issue[]): Issue => issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0];

/** The issue of the alternative of a union that the value comes closest to; the union's own issue if there is none. */
function innermost(issue: Issue): Issue {
  if (issue.code !== 'invalid_union') return issue;
  const kind = issue.errors.find((issues) =>
    issues.some(({ path, code }) => path.length > 0 || code === 'unrecognized_keys'),
  );
  if (!kind) return issue;
  const inner = firstOf(kind);
  return innermost({ ...inner, path: [...issue.path, ...inner.path] });
}

/** All keys of the schema, joined by dots. Keys that only some alternatives of a section have come last. */
function keysOf(schema: z.ZodType): string[] {
  const ofKinds: string[] = [];
  const below = (
    { properties = {}, oneOf = [], anyOf = [] }: z.core.JSONSchema.BaseSchema,
    prefix: string,
  ): string[] => {
    const kinds = [...oneOf, ...anyOf] as z.core.JSONSchema.BaseSchema[];
    ofKinds.push(...kinds.flatMap((kind) => below(kind, prefix)));
    return Object.entries(properties).flatMap(([name, value]) => [
      `${prefix}${name}`,
      ...below(value as z.core.JSONSchema.BaseSchema, `${prefix}${name}.`),
    ]);
  };
  return [...below(z.toJSONSchema(schema, { io: 'input' }), ''), ...ofKinds];
}

/** The most likely intended key: a similar name in the same section, else a similar name elsewhere, else the nearest key of the section. */
function nearest(unknown: string, keys: string[]): string | undefined {
  const [name, section] = [nameOf(unknown), sectionOf(unknown)];
  const here = keys.filter((key) => sectionOf(key) === section);
  const similar = (candidates: string[]) =>
    candidates
      .filter((key) => edits(nameOf(key), name) <= Math.ceil(name.length / 3))
      .toSorted((a, b) => edits(nameOf(a), name) - edits(nameOf(b), name));
  const nearestHere = here.toSorted((a, b) => edits(a, unknown) - edits(b, unknown));
  return [...similar(here), ...similar(keys), ...nearestHere].at(0);
}

const sectionOf = (key: string) => key.slice(0, key.lastIndexOf('.') + 1);
const nameOf = (key: string) => key.slice(key.lastIndexOf('.') + 1);

const edits = (a: string, b: string) => distance(a.toLowerCase(), b.toLowerCase());
