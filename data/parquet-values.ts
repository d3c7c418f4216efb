/** Converts Parquet values to JSON values without rounding: numbers that a double does not represent exactly become strings. */
import { isUtf8 } from 'node:buffer';
import type { FileMetaData, ParquetParsers, SchemaElement, SchemaTree, TimeUnit } from 'hyparquet';
import { InputError } from './errors.ts';
import { exactAt, isExact } from './exact-fields.ts';
import { exactJson, markKey, markNumber } from './exact-json.ts';
import { parseJson } from './json.ts';

/** Marks a value that cannot be read. The error is thrown later, when its row is known. */
class Unreadable {
  readonly reason: string;
  constructor(reason: string) {
    this.reason = reason;
  }
}

/** A value of a column of JSON. */
class Json {
  readonly text: string;
  /** As parseJson reads it. */
  readonly plain: unknown;
  constructor(text: string) {
    this.text = text;
    this.plain = parseJson(text, '', '');
  }
}

/** Replacements for hyparquet's parsers, which replace invalid UTF-8 and round times to milliseconds. */
export const PARSERS: Partial<ParquetParsers> = {
  stringFromBytes: textOf,
  jsonFromBytes(bytes) {
    const text = textOf(bytes);
    if (typeof text !== 'string') return text;
    try {
      return new Json(text);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      return new Unreadable('text that is not JSON');
    }
  },
  timestampFromMilliseconds: (time) => isoOf(time, 3),
  timestampFromMicroseconds: (time) => isoOf(time, 6),
  timestampFromNanoseconds: (time) => isoOf(time, 9),
  dateFromDays(days) {
    const iso = isoOf(days * 86_400, 0);
    return typeof iso === 'string' ? iso.slice(0, 'YYYY-MM-DD'.length) : iso;
  },
};

function textOf(bytes: Uint8Array | undefined): string | Unreadable | undefined {
  if (bytes === undefined) return undefined;
  return isUtf8(bytes)
    ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')
    : new Unreadable('text that is not UTF-8');
}

/** A time in ISO 8601. @param digits of the fraction of a second: 3 for milliseconds, 6 for microseconds */
function isoOf(time: bigint | number, digits: number): string | Unreadable {
  const second = 10n ** BigInt(digits);
  const fraction = ((BigInt(time) % second) + second) % second;
  const date = new Date(Number(((BigInt(time) - fraction) / second) * 1000n));
  if (Number.isNaN(date.getTime())) return new Unreadable('a time that is no date');
  const [whole] = date.toISOString().split('.');
  return `${whole}.${String(fraction).padStart(digits, '0')}Z`;
}

const DIGITS = { MILLIS: 3, MICROS: 6, NANOS: 9 };

/** A time of day, in the parts of a second that the column counts. */
function timeOfDay(time: bigint | number, unit: TimeUnit): string | Unreadable {
  const iso = isoOf(time, DIGITS[unit]);
  return typeof iso === 'string' ? iso.slice(iso.indexOf('T') + 1, -1) : iso;
}

const isDecimal = ({ converted_type, logical_type }: SchemaElement) =>
  converted_type === 'DECIMAL' || logical_type?.type === 'DECIMAL';

/** Makes hyparquet return decimals as the stored integers, since its conversion multiplies by powers of 0.1 and is inexact. */
export function keepRawDecimals(metadata: FileMetaData): FileMetaData {
  for (const element of metadata.schema) {
    if (isDecimal(element) && element.num_children === undefined) {
      element.converted_type = undefined;
      element.scale ??= (element.logical_type as { scale?: number } | undefined)?.scale ?? 0;
      element.logical_type = { type: 'DECIMAL', precision: element.precision ?? 0, scale: element.scale };
    }
  }
  return metadata;
}

/** @param where names the row in errors */
export function valuesOf(
  fields: Record<string, unknown>,
  columns: SchemaTree[],
  where: string,
): Record<string, unknown> {
  return structOf(fields, columns, where, []);
}

function structOf(fields: Record<string, unknown>, columns: SchemaTree[], where: string, path: string[]) {
  return Object.fromEntries(
    columns.map((column) => {
      const { name } = column.element;
      const value = valueOf(fields[name], column, where, [...path, name]);
      return [isExact(path) ? markKey(name) : name, value];
    }),
  );
}

function valueOf(value: unknown, node: SchemaTree, where: string, path: string[]): unknown {
  if (node.children.length === 0) return leafOf(value, node, where, path);
  // hyparquet returns undefined for a list or struct that is null.
  if (value === null || value === undefined) return null;
  if (Array.isArray(value)) {
    const element = elementOf(node);
    return value.map((entry, i) => valueOf(entry, element, where, [...path, String(i)]));
  }
  const { element, children } = node;
  if (element.logical_type?.type === 'VARIANT') return scalarOf(value, where, path);
  if (element.converted_type !== 'MAP') return structOf(value as Record<string, unknown>, children, where, path);
  const entry = children[0].children[1];
  return Object.fromEntries(
    Object.entries(value).map(([key, mapped]) => [key, valueOf(mapped, entry, where, [...path, key])]),
  );
}

/** The schema node of a list's elements, which is within a repeated group. Elements of a repeated column have the column's own. */
function elementOf(node: SchemaTree): SchemaTree {
  if (node.element.converted_type !== 'LIST') return node;
  return node.children[0].children[0];
}

function leafOf(value: unknown, node: SchemaTree, where: string, path: string[]): unknown {
  if (value === undefined)
    throw new InputError(`${where} is damaged: it lacks the value of "${path.join('.')}"; get the file again.`);
  if (Array.isArray(value)) return value.map((entry, i) => leafOf(entry, node, where, [...path, String(i)]));
  if (value !== null && isDecimal(node.element)) return decimalOf(value as number | bigint | Uint8Array, node.element);
  if (value instanceof Json) return isExact(path) ? exactAt(path, value.plain, exactJson(value.text)) : value.plain;
  const { logical_type: type } = node.element;
  if (type?.type === 'TIME' && (typeof value === 'bigint' || typeof value === 'number'))
    return scalarOf(timeOfDay(value, type.unit), where, path);
  const scalar = scalarOf(value, where, path);
  // A local time: its zone is not known.
  if (type?.type === 'TIMESTAMP' && !type.isAdjustedToUTC && typeof scalar === 'string')
    return scalar.replace(/Z$/, '');
  return isExact(path) ? exactScalar(value, scalar, node.element) : scalar;
}

/** The exact value of a number: with all digits of an integer, and a float as a float. */
function exactScalar(value: unknown, scalar: unknown, { type }: SchemaElement): unknown {
  if (typeof value === 'bigint') return markNumber(String(value));
  if (typeof value !== 'number' || type === 'INT32' || type === 'INT64') return scalar;
  const text = Object.is(value, -0) ? '-0' : String(value);
  return markNumber(/^-?\d+$/.test(text) ? `${text}.0` : text);
}

function scalarOf(value: unknown, where: string, path: string[]): unknown {
  if (value instanceof Unreadable)
    throw new InputError(`${where} has ${value.reason} in "${path.join('.')}"; correct it or leave the column out.`);
  if (typeof value === 'bigint') return exactInteger(value);
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw new InputError(
      `${where} has ${value} in "${path.join('.')}", which JSON cannot hold; write null or leave the column out.`,
    );
  }
  // Older programs write text as bytes without a type. Other bytes become base64, as is usual in JSON.
  if (value instanceof Uint8Array) return Buffer.from(value).toString(isUtf8(value) ? 'utf8' : 'base64');
  if (Array.isArray(value)) return value.map((entry, i) => scalarOf(entry, where, [...path, String(i)]));
  if (value?.constructor !== Object) return value;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, scalarOf(entry, where, [...path, key])]));
}

/** Decimal digits that a double represents exactly. */
const EXACT_DIGITS = 15;

function decimalOf(stored: number | bigint | Uint8Array, { scale = 0 }: SchemaElement): number | string {
  const unscaled = stored instanceof Uint8Array ? bigEndian(stored) : BigInt(stored);
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0');
  const fraction = digits.slice(digits.length - scale, scale === 0 ? 0 : undefined).replace(/0+$/, '');
  const integer = `${unscaled < 0n ? '-' : ''}${digits.slice(0, digits.length - scale)}`;
  if (fraction === '') return exactInteger(BigInt(integer));
  const text = `${integer}.${fraction}`;
  return text.replace(/[-.]/g, '').replace(/^0+/, '').length <= EXACT_DIGITS ? Number(text) : text;
}

const exactInteger = (value: bigint) => (Number.isSafeInteger(Number(value)) ? Number(value) : String(value));

/** A big-endian integer in two's complement. */
const bigEndian = (bytes: Uint8Array) =>
  bytes.length === 0 ? 0n : BigInt.asIntN(bytes.length * 8, BigInt(`0x${Buffer.from(bytes).toString('hex')}`));
