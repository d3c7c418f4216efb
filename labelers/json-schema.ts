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
import { isEndless } from './endless-schema.ts';
import { labelerKind } from './labeler.ts';
import { programLabeler, type Rule } from './program.ts';

// Unknown keywords are rejected, because they are probably typing errors. The strict checks of types are disabled. Names such as
// "toString" are only those of the response.
const OPTIONS = {
  strictTypes: false,
  strictTuples: false,
  strictRequired: false,
  allowMatchingProperties: true,
  ownProperties: true,
} as const;

/** Compiles a schema. @throws InputError that begins with `where` when it is not valid, or not supported */
export function compileSchema(schema: object, where: string): ValidateFunction {
  checkDepth(schema, where);
  if (hasNestedPattern(schema))
    throw new InputError(`${where} has a pattern with too many groups in groups; simplify it.`);
  // An asynchronous validation returns a promise, which is truthy.
  if ('$async' in schema) throw new InputError(`${where} has "$async", which selm does not support; remove it.`);
  const { $schema: draft, ...rest } = schema as Record<string, unknown>;
  const [first, second] = validatorsOf(draft);
  if (!first) {
    throw new InputError(
      `${where} has the "$schema" ${JSON.stringify(draft)}; selm supports draft 7 (http://json-schema.org/draft-07/schema#) and ` +
        '2020-12 (https://json-schema.org/draft/2020-12/schema).',
    );
  }
  try {
    return compileBy(first, rest);
  } catch (error) {
    try {
      if (second) return compileBy(second, rest);
      throw error;
    } catch (last) {
      // The library has no error class, so every error is treated as an error in the schema.
      throw new InputError(`${where} is no JSON schema (${(last as Error).message}); correct it.`);
    }
  }
}

type Validator = typeof Ajv | typeof Ajv2020;

/** The validators of a draft. Without one, a schema may be of either; a schema that both accept means the same in both. */
function validatorsOf(draft: unknown): Validator[] {
  if (draft === undefined) return [Ajv, Ajv2020];
  const validators: [string, Validator][] = [
    ['draft-07', Ajv],
    ['2020-12', Ajv2020],
  ];
  return validators.filter(([name]) => String(draft).includes(name)).map(([, validator]) => validator);
}

function compileBy(Validator: Validator, schema: Record<string, unknown>): ValidateFunction {
  if (isEndless(schema)) throw new Error('it refers to itself without end');
  const ajv = new Validator(OPTIONS);
  formats.default(ajv);
  // The library's own check divides in binary, where 19.99 / 0.01 is not a whole number.
  ajv.removeKeyword('multipleOf');
  ajv.addKeyword({ keyword: 'multipleOf', type: 'number', schemaType: 'number', validate: isMultiple });
  return ajv.compile(schema);
}

/** Whether a number is a multiple of another one by their decimal digits. */
function isMultiple(factor: number, value: number): boolean {
  const [of, given] = [factor, value].map(decimal);
  const least = Math.min(of.exponent, given.exponent);
  const [divisor, dividend] = [of, given].map(({ digits, exponent }) => digits * 10n ** BigInt(exponent - least));
  return dividend % divisor === 0n;
}

/** A number is digits × 10^exponent: the shortest digits that stand for it, which are those that were written, up to 15. */
function decimal(number: number): { digits: bigint; exponent: number } {
  const [mantissa, power] = number.toExponential().split('e');
  const [integer, fraction = ''] = mantissa.split('.');
  return { digits: BigInt(`${integer}${fraction}`), exponent: Number(power) - fraction.length };
}

/** Reads a JSON schema from a file. @param setting that names the file, for errors */
export function readSchema(path: string, setting: string): object {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw readFailure(path, error, `${setting} needs a JSON schema`);
  }
  return parsedSchema(text, path, `${setting} needs a JSON schema.`);
}

/** A schema that is no object, such as `false`, would be taken for one that everything fits. */
function parsedSchema(text: string, what: string, advice: string): object {
  const schema = jsonOf(text);
  if (schema === undefined) throw new InputError(`${what} is not JSON; ${advice}`);
  if (typeof schema === 'object' && schema !== null && !Array.isArray(schema)) return schema;
  throw new InputError(`${what} is not a JSON object; ${advice}`);
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
      const what = `The "schema" of prompt "${prompt.id}"`;
      fits = compileSchema(parsedSchema(text, what, 'correct it.'), what);
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
      'Checks that a response is JSON that fits a schema; a `format` such as `date` is checked, too. The score is 1 for JSON that ' +
        'fits, 0.5 for other JSON, and 0 for anything else.',
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
