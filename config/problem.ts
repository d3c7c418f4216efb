/** What is wrong with a configuration, in one sentence. */
import { distance } from 'fastest-levenshtein';
import { z } from 'zod';

/**
 * @param document what `schema` has refused with `error`
 * @param page where its keys are explained
 */
export function describeProblem(
  schema: z.ZodType,
  document: unknown,
  { issues }: z.ZodError,
  page = 'docs/config.md',
): string {
  // A misspelled key is often missing as well: its spelling is the cause.
  const issue = innermost(firstOf(issues));
  const path = issue.path.join('.');
  if (issue.code === 'unrecognized_keys') {
    const unknown = [...issue.path, issue.keys[0]].join('.');
    const keys = keysOf(schema);
    if (keys.includes(unknown))
      return `"${unknown}" is not a setting of ${kindAt(document, issue.path)}; remove it, or give the section as a whole.`;
    return `there is no key "${unknown}"; did you mean "${nearest(unknown, keys)}"?`;
  }
  // What may be a key, put where none belongs, is not repeated.
  if (issue.code === 'custom' && issue.params?.['hidden'])
    return `"${path}" is not valid: ${issue.message}; see ${page}.`;
  const value = valueAt(document, issue.path);
  if (value === undefined) return `"${path}" is missing; see ${page}.`;
  if (value === null) return `"${path}" has no value; give it one or remove the key.`;
  const expected = issue.message.replace(/^(Invalid input|Invalid option|Too small|Too big): /, '');
  return `"${path}" cannot be ${JSON.stringify(value)}: ${expected}; see ${page}.`;
}

type Issue = z.core.$ZodIssue;

const valueAt = (document: unknown, path: PropertyKey[]): unknown =>
  path.reduce((inner, key) => (inner as Record<PropertyKey, unknown>)[key], document);

/** Which of the kinds that a section can be of it is: a labeler is told by `by`. */
function kindAt(document: unknown, path: PropertyKey[]): string {
  const { by } = valueAt(document, path) as { by?: string };
  return by === undefined ? 'the default labeler' : `the labeler "${by}"`;
}

const firstOf = (issues: Issue[]): Issue => issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0];

/** Of a union, what is wrong by that kind of it which the value is of, where there is one. */
function innermost(issue: Issue): Issue {
  if (issue.code !== 'invalid_union') return issue;
  const kind = issue.errors.find((issues) =>
    issues.some(({ path, code }) => path.length > 0 || code === 'unrecognized_keys'),
  );
  if (!kind) return issue;
  const inner = firstOf(kind);
  return innermost({ ...inner, path: [...issue.path, ...inner.path] });
}

/** Every key of the schema with the keys below it, joined by dots; those that only one kind of something has come last. */
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

/** The key that was meant: one of a like name, in the same section or else wherever it stands first, else the likest of the section. */
function nearest(unknown: string, keys: string[]): string {
  const [name, section] = [nameOf(unknown), sectionOf(unknown)];
  const here = keys.filter((key) => sectionOf(key) === section);
  const alike = (candidates: string[]) =>
    candidates
      .filter((key) => edits(nameOf(key), name) <= Math.ceil(name.length / 3))
      .toSorted((a, b) => edits(nameOf(a), name) - edits(nameOf(b), name));
  const likest = here.toSorted((a, b) => edits(a, unknown) - edits(b, unknown));
  return [...alike(here), ...alike(keys), ...likest][0];
}

const sectionOf = (key: string) => key.slice(0, key.lastIndexOf('.') + 1);
const nameOf = (key: string) => key.slice(key.lastIndexOf('.') + 1);

const edits = (a: string, b: string) => distance(a.toLowerCase(), b.toLowerCase());
