/** Values of @huggingface/jinja's interpreter, with what Python does with every value: str, truth, ==, <, iteration, length. */
import { Environment, Interpreter, parse, tokenize } from '@huggingface/jinja';
import { exactNumber, unmarkKey } from '../../../data/exact-json.ts';
import { step } from './limits.ts';

/** A value of the library's interpreter. */
export interface Value {
  type: string;
  value: unknown;
  __bool__(): Value;
  toString(): string;
}
type Call = (args: Value[], scope: unknown) => Value;
type ValueClass = { new (value: unknown): Value; prototype: Value };

const classOf = (value: unknown) => new Environment().set('value', value).constructor as unknown as ValueClass;
const [Text, List, Mapping, Flag, Whole, Real, Nothing, Undefined] = ['', [], {}, true, 1, 1.5, null, undefined].map(
  classOf,
);
export const Tuple = tupleClass();
export { Text, List, Mapping, Flag, Real, Nothing };
export const Function = classOf(() => null) as unknown as { new (call: Call): Value; prototype: Value };

/** The class of tuples, which no JavaScript value is converted to. */
function tupleClass(): ValueClass {
  const environment = new Environment();
  new Interpreter(environment).run(parse(tokenize('{% set pair = 1, 2 %}')));
  return environment.lookupVariable('pair').constructor as unknown as ValueClass;
}

/** An undefined value that says where it comes from, for the error when it is used. */
export class Missing extends Undefined {
  readonly reason: string;
  constructor(reason: string) {
    super(undefined);
    this.reason = reason;
  }
}

/** Python's generators and iterators: they are always true, have no length and no items by index, and are iterated over once. */
export class Generator extends List {
  override type = 'GeneratorValue';
  override __bool__(): Value {
    return new Flag(true);
  }
  override toString(): string {
    return '<generator object>';
  }
}

/** The keys, values or items of a dictionary: without items by index. */
export class View extends List {
  override type = 'ViewValue';
  private readonly name: string;
  constructor(name: string, items: Value[]) {
    super(items);
    this.name = name;
  }
  override toString(): string {
    return `dict_${this.name}(${str(new List(this.value))})`;
  }
}

/** An integer; above 2^53 as a bigint. */
export const whole = (value: number | bigint): Value => {
  const given = BigInt(value);
  const small = Number(given);
  return new Whole(Number.isSafeInteger(small) ? small : given);
};

/** The library's value for a variable; numbers and keys of exact values (data/exact-json.ts) are as in Python. */
function valueOf(given: unknown): Value {
  if (typeof given === 'string') {
    const number = exactNumber(given);
    if (number === undefined) return new Text(given);
    return /^-?\d+$/.test(number) ? whole(BigInt(number)) : new Real(Number(number));
  }
  if (Array.isArray(given)) return new List(given.map(valueOf));
  if (typeof given !== 'object' || given === null) return set.call(new Environment(), 'value', given) as Value;
  return new Mapping(new Map(Object.entries(given).map(([key, value]) => [unmarkKey(key), valueOf(value)])));
}
const { set } = Environment.prototype;
type Declaring = { declareVariable(name: string, value: Value): ReturnType<typeof set> };
Environment.prototype.set = function (name: string, given: unknown) {
  return (this as unknown as Declaring).declareVariable(name, valueOf(given));
};

/** A character that Python's repr() does not print. */
function escaping(character: string): string {
  const code = character.codePointAt(0)!;
  const hex = code.toString(16);
  if (code < 0x80 && code > 0x20 && code < 0x7f) return character;
  if (code < 0x100) return `\\x${hex.padStart(2, '0')}`;
  return code < 0x10000 ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`;
}

/** A value as Python prints it inside a list or a dictionary. */
export function repr(value: Value): string {
  const { type, value: content } = value;
  if (type === 'StringValue') {
    const text = content as string;
    const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
    const special: Record<string, string> = {
      '\\': '\\\\',
      '\n': '\\n',
      '\r': '\\r',
      '\t': '\\t',
      [quote]: `\\${quote}`,
    };
    return (
      quote +
      text.replaceAll(/[\\'"]|(?! )[\p{C}\p{Z}]/gu, (character) => special[character] ?? escaping(character)) +
      quote
    );
  }
  return isUndefined(value) ? 'Undefined' : str(value);
}

/** A number as Python prints it: with an exponent below 0.0001, and in a float from 1e16. */
export function number({ type, value }: Pick<Value, 'type' | 'value'>): string {
  // An integer with more digits than a double has, in an exact value.
  if (typeof value === 'bigint') return String(value);
  const given = value as number;
  if (Number.isNaN(given)) return 'nan';
  if (!Number.isFinite(given)) return given > 0 ? 'inf' : '-inf';
  const exponential = () => given.toExponential().replace(/(?<=e[+-])\d$/, '0$&');
  if (Object.is(given, -0)) return '-0.0';
  if (!Number.isInteger(given)) return Math.abs(given) < 1e-4 ? exponential() : String(given);
  if (type !== 'FloatValue') return String(given);
  return Math.abs(given) < 1e16 ? given.toFixed(1) : exponential();
}

/** A value as Python prints it. */
export function str(value: Value): string {
  const { type, value: content } = value;
  if (type === 'BooleanValue') return content === true ? 'True' : 'False';
  if (type === 'NullValue') return 'None';
  if (type === 'UndefinedValue') return '';
  if (type === 'IntegerValue' || type === 'FloatValue') return number(value);
  if (type === 'ArrayValue') return `[${(content as Value[]).map(repr).join(', ')}]`;
  if (type === 'TupleValue') {
    const items = (content as Value[]).map(repr);
    return items.length === 1 ? `(${items[0]},)` : `(${items.join(', ')})`;
  }
  if (type === 'ObjectValue') {
    const entries = [...(content as Map<string, Value>)];
    return `{${entries.map(([key, item]) => `${repr(new Text(key))}: ${repr(item)}`).join(', ')}}`;
  }
  return value.toString();
}

for (const kind of [List, Mapping, Flag]) {
  kind.prototype.toString = function (this: Value) {
    return str(this);
  };
}

/** An undefined value that is used. */
export class UndefinedUsed extends Error {}
export const undefinedUsed = (value: Value): UndefinedUsed =>
  new UndefinedUsed(value instanceof Missing ? value.reason : 'an undefined value is used');

export const isUndefined = ({ type }: Value): boolean => type === 'UndefinedValue';

/** Python's name of a value's type. */
export function typeName({ type }: Value): string {
  return NAMES[type] ?? type.replace('Value', '').toLowerCase();
}
const NAMES: Record<string, string> = {
  StringValue: 'str',
  IntegerValue: 'int',
  FloatValue: 'float',
  BooleanValue: 'bool',
  ArrayValue: 'list',
  TupleValue: 'tuple',
  ObjectValue: 'dict',
  NullValue: 'None',
};

/** Python's bool(). */
export const truth = (value: Value): boolean => value.__bool__().value === true;

/** A number or a bool as Python computes with it; undefined for another value. */
export function numeric({ value }: Value): number | bigint | undefined {
  if (typeof value === 'boolean') return Number(value);
  return typeof value === 'number' || typeof value === 'bigint' ? value : undefined;
}

/** Python's iter(): a text's characters, a dictionary's keys, and nothing of an undefined value. @throws for a value without items */
export function iterate(value: Value): Value[] {
  const { type, value: content } = value;
  if (isUndefined(value)) return [];
  if (typeof content === 'string') return [...content].map((character) => new Text(character));
  if (type === 'ObjectValue') return [...(content as Map<string, Value>).keys()].map((key) => new Text(key));
  if (!Array.isArray(content)) throw new Error(`'${typeName(value)}' object is not iterable`);
  if (value instanceof Generator) value.value = [];
  return content as Value[];
}

/** Python's len(). @throws for a value without a length */
export function length(value: Value): number {
  const { type, value: content } = value;
  if (isUndefined(value)) return 0;
  if (typeof content === 'string') return [...content].length;
  if (type === 'ObjectValue') return (content as Map<string, Value>).size;
  if (Array.isArray(content) && !(value instanceof Generator)) return content.length;
  throw new Error(`object of type '${typeName(value)}' has no len()`);
}

/** Python's ==. The library compares like JavaScript: '1' equals 1, and none equals an undefined value. */
export function equal(a: Value, b: Value): boolean {
  step();
  const [left, right] = [a.value, b.value];
  if (a.type === 'ObjectValue' && b.type === 'ObjectValue') {
    const [one, other] = [left, right] as Map<string, Value>[];
    return one.size === other.size && [...one].every(([key, item]) => other.has(key) && equal(item, other.get(key)!));
  }
  if (isSequence(a) && a.type === b.type) {
    const [one, other] = [left, right] as Value[][];
    return one.length === other.length && one.every((item, i) => equal(item, other[i]));
  }
  const [one, other] = [numeric(a), numeric(b)];
  // As numbers: a bigint may equal a float.
  return one !== undefined && other !== undefined ? one == other : left === right && a.type === b.type;
}

const isSequence = ({ type }: Value): boolean => type === 'ArrayValue' || type === 'TupleValue';

/** Python's <, as a number: negative if a is less than b, 0 if neither is less. @throws for values without an order */
export function compare(a: Value, b: Value): number {
  step();
  const [left, right] = [numeric(a), numeric(b)];
  if (left !== undefined && right !== undefined) return Number(left > right) - Number(left < right);
  if (typeof a.value === 'string' && typeof b.value === 'string') return compareTexts(a.value, b.value);
  if (isSequence(a) && a.type === b.type) {
    const [one, other] = [a.value, b.value] as Value[][];
    const at = one.findIndex((item, i) => i >= other.length || !equal(item, other[i]));
    if (at < 0 || at >= other.length) return one.length - other.length;
    return compare(one[at], other[at]);
  }
  for (const value of [a, b]) if (isUndefined(value)) throw undefinedUsed(value);
  throw new Error(`'<' not supported between instances of '${typeName(a)}' and '${typeName(b)}'`);
}

/** Compares texts by their code points. */
export function compareTexts(a: string, b: string): number {
  const [left, right] = [a, b].map((text) => [...text].map((character) => character.codePointAt(0)!));
  const at = left.findIndex((point, i) => point !== right[i]);
  return at < 0 ? left.length - right.length : left[at] - (right[at] ?? -1);
}
