/** The labeler for structured output: checks that a response is JSON that fits a schema. */
import { readFileSync } from 'node:fs';
import { Ajv, type ValidateFunction } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { z } from 'zod';
import { hashValue } from '../artifacts/hash.ts';
import { InputError } from '../data/errors.ts';
import { readFailure } from '../data/file-errors.ts';
import { checkDepth, isTooDeep, jsonOf } from '../data/json.ts';
import { hasNestedPattern } from '../data/patterns.ts';
import { parseRow } from '../data/row.ts';
import { labelerKind } from './labeler.ts';
import { programLabeler, type Rule } from './program.ts';

// Unknown keywords are rejected, because they are probably typing errors. The strict checks of types are disabled. 19.99 is a multiple of
// 0.01, although their quotient in binary is not a whole number. Names such as "toString" are only those of the response.
const OPTIONS = {
  strictTypes: false,
  strictTuples: false,
  strictRequired: false,
  multipleOfPrecision: 9,
  ownProperties: true,
} as const;

/** Compiles a schema. @throws InputError that begins with `where` when it is not valid, or not supported */
export function compileSchema(schema: object, where: string): ValidateFunction {
  checkDepth(schema, where);
  if (hasNestedPattern(schema))
    throw new InputError(`${where} has a pattern with too many groups in groups; simplify it.`);
  // An asynchronous validation returns a promise, which is truthy.
  if ('$async' in schema) throw new InputError(`${where} has "$async", which selm does not support; remove it.`);
  const draft = '$schema' in schema ? String(schema.$schema) : '';
  try {
    const ajv = draft.includes('2020-12') ? new Ajv2020(OPTIONS) : new Ajv(OPTIONS);
    formats.default(ajv);
    return ajv.compile(schema);
  } catch (error) {
    // The library has no error class, so every error is treated as an error in the schema.
    throw new InputError(`${where} is no JSON schema (${(error as Error).message}); correct it.`);
  }
}

/** Reads a JSON schema from a file. @param setting that names the file, for errors */
export function readSchema(path: string, setting: string): object {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw readFailure(path, error, `${setting} needs a JSON schema`);
  }
  const schema = jsonOf(text);
  if (schema === undefined) throw new InputError(`${path} is not JSON; ${setting} needs a JSON schema.`);
  return Object(schema) as object;
}

const rowSchema = z.object({
  schema: z.union([z.string().min(1), z.record(z.string(), z.unknown())], {
    error: 'expected a JSON schema, or its text',
  }),
});

/** The score of a response. JSON inside other text scores 0, because a program could not parse such a response. */
function scoreOf(answer: string, fits: ValidateFunction): number {
  const value = jsonOf(answer);
  if (value === undefined) return 0;
  // A recursive schema recurses as deep as the response is nested, which could overflow the stack.
  return !isTooDeep(value) && fits(value) ? 1 : 0.5;
}

/** The rule for the schema of each prompt's row: a JSON schema, or its text. */
export function schemaOfRow(): Rule {
  // Rows often share a schema, and compiling one takes milliseconds.
  const compiled = new Map<string, ValidateFunction>();
  return (prompt) => {
    const where = `Prompt "${prompt.id}"`;
    const { schema } = parseRow({ where, fields: prompt }, rowSchema);
    const text = typeof schema === 'string' ? schema : JSON.stringify(schema);
    let fits = compiled.get(text);
    if (!fits) {
      const content = jsonOf(text);
      if (content === undefined) throw new InputError(`${where} has a "schema" that is not JSON; correct it.`);
      fits = compileSchema(Object(content) as object, `The "schema" of prompt "${prompt.id}"`);
      compiled.set(text, fits);
    }
    return verdictOf(fits);
  };
}

const verdictOf = (fits: ValidateFunction) => (answer: string) => {
  const score = scoreOf(answer, fits);
  return { score, pass: score === 1 };
};

/** The score is 1 for JSON that fits the schema, 0.5 for other JSON, and 0 for anything else. */
export const jsonSchema = labelerKind({
  schema: z
    .strictObject({
      by: z.literal('json-schema'),
      schema: z
        .union([z.string().min(1), z.record(z.string(), z.unknown())], { error: 'expected a file or a JSON schema' })
        .optional()
        .describe(
          "The JSON schema (draft 7 or 2020-12), or a file that contains it. Default: the field `schema` of each prompt's row.",
        ),
    })
    .describe(
      'Checks that a response is JSON that fits a schema. The score is 1 for JSON that fits, 0.5 for other JSON, and 0 for ' +
        'anything else.',
    ),
  locate: (settings, { path }) =>
    typeof settings.schema === 'string' ? { ...settings, schema: path(settings.schema) } : settings,
  create({ schema }) {
    if (schema === undefined) return programLabeler('json-schema', schemaOfRow());
    const isFile = typeof schema === 'string';
    const content = isFile ? readSchema(schema, 'label.schema') : schema;
    const fits = compileSchema(content, isFile ? schema : 'label.schema');
    const check = verdictOf(fits);
    const labeler = programLabeler('json-schema', () => check);
    return isFile ? { ...labeler, identity: { schema: hashValue(content) } } : labeler;
  },
});
