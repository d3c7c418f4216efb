/** Python's operators on the values of a chat template, and Jinja's access to members: `a.b`, `a[b]`, `a[b:c]`. */
import { functionOf } from './arguments.ts';
import { format, percent } from './format.ts';
import { willMake } from './limits.ts';
import { methodOf } from './methods.ts';
import {
  compare,
  equal,
  Flag,
  isUndefined,
  iterate,
  List,
  Missing,
  numeric,
  Real,
  repr,
  str,
  Text,
  Tuple,
  typeName,
  undefinedUsed,
  whole,
  type Value,
} from './values.ts';

/** The result of `a operator b`, for every operator but `and` and `or`. @throws as Python does */
export function operate(operator: string, a: Value, b: Value): Value {
  switch (operator) {
    case '~':
      return new Text(str(a) + str(b));
    case '==':
    case '!=':
      return new Flag(equal(a, b) === (operator === '=='));
    case 'in':
    case 'not in':
      return new Flag(contains(b, a) === (operator === 'in'));
    case '<':
      return new Flag(compare(a, b) < 0);
    case '>':
      return new Flag(compare(b, a) < 0);
    case '<=':
      return new Flag(compare(a, b) <= 0);
    case '>=':
      return new Flag(compare(b, a) <= 0);
  }
  if (operator === '%' && typeof a.value === 'string') return new Text(percent(a.value, b));
  for (const value of [a, b]) if (isUndefined(value)) throw undefinedUsed(value);
  const [left, right] = [numeric(a), numeric(b)];
  if (left !== undefined && right !== undefined) {
    if (a.type === 'FloatValue' || b.type === 'FloatValue')
      return new Real(ofFloats(operator, Number(left), Number(right)));
    return ofIntegers(operator, BigInt(left), BigInt(right));
  }
  if (operator === '+') {
    if (typeof a.value === 'string' && typeof b.value === 'string') return new Text(a.value + b.value);
    const kind = [List, Tuple].find((each) => [a, b].every((value) => value.constructor === each));
    if (kind) return new kind([...(a.value as Value[]), ...(b.value as Value[])]);
  }
  if (operator === '*') {
    const repeated = repeat(a, b) ?? repeat(b, a);
    if (repeated) return repeated;
  }
  throw new Error(`unsupported operand type(s) for ${operator}: '${typeName(a)}' and '${typeName(b)}'`);
}

/** Python's `container` in `item in container`. */
export function contains(container: Value, item: Value): boolean {
  if (typeof container.value === 'string') {
    if (typeof item.value === 'string') return container.value.includes(item.value);
    throw new Error(`'in <string>' requires string as left operand, not ${typeName(item)}`);
  }
  if (container.type === 'ObjectValue') {
    return typeof item.value === 'string' && (container.value as Map<string, Value>).has(item.value);
  }
  return iterate(container).some((each) => each === item || equal(each, item));
}

function repeat(value: Value, times: Value): Value | undefined {
  const { value: content } = value;
  const given = times.type === 'FloatValue' ? undefined : numeric(times);
  const isRepeatable = typeof content === 'string' || [List, Tuple].includes(value.constructor as typeof List);
  if (given === undefined || !isRepeatable) return undefined;
  const count = Math.max(0, Number(given));
  willMake(count * (content as string | Value[]).length, typeof content === 'string' ? 'text' : 'list');
  if (typeof content === 'string') return new Text(content.repeat(count));
  return new (value.constructor as typeof List)(Array.from({ length: count }, () => content as Value[]).flat());
}

function ofFloats(operator: string, a: number, b: number): number {
  if (b === 0 && ['/', '//', '%'].includes(operator)) throw new Error('division by zero');
  // Python's remainder has the sign of the divisor.
  const remainder = a % b === 0 ? (b < 0 ? -0 : 0) : (a % b) + (a % b < 0 === b < 0 ? 0 : b);
  switch (operator) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
      return a / b;
    case '//':
      return Math.round((a - remainder) / b);
    case '%':
      return remainder;
    default: {
      const power = a ** b;
      if (Number.isFinite(power) || !Number.isFinite(a) || !Number.isFinite(b)) return power;
      throw new Error('the result of ** is not a finite real number');
    }
  }
}

/** Digits of a power, at most. */
const MAX_BITS = 2 ** 16;

function ofIntegers(operator: string, a: bigint, b: bigint): Value {
  if (b === 0n && ['/', '//', '%'].includes(operator)) throw new Error('division by zero');
  switch (operator) {
    case '+':
      return whole(a + b);
    case '-':
      return whole(a - b);
    case '*':
      return whole(a * b);
    case '/':
      return new Real(Number(a) / Number(b));
    case '//':
      return whole((a - modulo(a, b)) / b);
    case '%':
      return whole(modulo(a, b));
    default:
      if (b < 0n) return new Real(ofFloats('**', Number(a), Number(b)));
      if (BigInt(a.toString(2).length) * b > MAX_BITS) throw new Error('the result of ** is too large');
      return whole(a ** b);
  }
}

/** The remainder with the sign of the divisor. */
const modulo = (a: bigint, b: bigint): bigint => ((a % b) + b) % b;

/** `object.name`: an attribute, or else an item. @throws for an undefined object */
export function attribute(object: Value, name: string): Value {
  if (isUndefined(object)) throw undefinedUsed(object);
  return attributeOf(object, name) ?? itemOf(object, new Text(name)) ?? missing(object, new Text(name));
}

/** `object[key]`: an item, or else an attribute. @throws for an undefined object */
export function item(object: Value, key: Value): Value {
  if (isUndefined(object)) throw undefinedUsed(object);
  const attributeNamed = () => (typeof key.value === 'string' ? attributeOf(object, key.value) : undefined);
  return itemOf(object, key) ?? attributeNamed() ?? missing(object, key);
}

/** The filter `attr`: only an attribute. */
export const onlyAttribute = (object: Value, name: string): Value =>
  attributeOf(object, name) ?? missing(object, new Text(name));

const missing = (object: Value, key: Value): Value => {
  const nameOfObject = object.type === 'NullValue' ? 'None' : `${typeName(object)} object`;
  const what = typeof key.value === 'string' ? `attribute ${repr(key)}` : `element ${repr(key)}`;
  return new Missing(`'${nameOfObject}' has no ${what}`);
};

/** Values whose attributes are in a map: namespaces, and the variable `loop`. */
const WITH_ATTRIBUTES = new Set(['NamespaceValue', 'LoopValue']);

function attributeOf(object: Value, name: string): Value | undefined {
  const { type, value } = object;
  if (WITH_ATTRIBUTES.has(type)) return (value as Map<string, Value>).get(name);
  const part = object.constructor === Group ? ['grouper', 'list'].indexOf(name) : -1;
  if (part >= 0) return (value as Value[])[part];
  if (name === 'format' && typeof value === 'string') {
    return functionOf(({ positional, named }) => new Text(format(value, positional, named, { attribute, item })));
  }
  return methodOf(object, name);
}

/** A group of the filter `groupby`: a pair whose parts have names. */
export class Group extends Tuple {}

function itemOf({ type, value }: Value, key: Value): Value | undefined {
  if (type === 'ObjectValue') {
    return typeof key.value === 'string' ? (value as Map<string, Value>).get(key.value) : undefined;
  }
  const index = key.type === 'FloatValue' ? undefined : numeric(key);
  if (index === undefined) return undefined;
  if (typeof value === 'string') {
    const character = charactersOf(value).at(Number(index));
    return character === undefined ? undefined : new Text(character);
  }
  return type === 'ArrayValue' || type === 'TupleValue' ? (value as Value[]).at(Number(index)) : undefined;
}

/** A text as an array-like of its characters: itself, if no character has two code units. */
const charactersOf = (text: string): string | string[] => (/[\ud800-\udfff]/.test(text) ? [...text] : text);

/** `object[start:stop:step]`. A bound that is not given is undefined. @throws as Python does */
export function slice(object: Value, bounds: (Value | undefined)[]): Value {
  const { type, value } = object;
  for (const used of [object, ...bounds]) if (used && isUndefined(used)) throw undefinedUsed(used);
  if (typeof value !== 'string' && type !== 'ArrayValue' && type !== 'TupleValue') {
    throw new Error(`'${typeName(object)}' object is not subscriptable`);
  }
  const [start, stop, given] = bounds.map((bound) => {
    if (!bound || bound.type === 'NullValue') return null;
    const number = bound.type === 'FloatValue' ? undefined : numeric(bound);
    if (number === undefined) throw new Error('slice indices must be integers or None');
    return Number(number);
  });
  const step = given ?? 1;
  if (step === 0) throw new Error('slice step cannot be zero');
  const all = (typeof value === 'string' ? [...value] : value) as unknown[];
  // The first and the last index that a bound may be, as in Python.
  const [least, most] = step > 0 ? [0, all.length] : [-1, all.length - 1];
  const clamped = (bound: number) => Math.min(most, Math.max(least, bound < 0 ? bound + all.length : bound));
  const from = start === null ? (step > 0 ? least : most) : clamped(start);
  const to = stop === null ? (step > 0 ? most : least) : clamped(stop);
  const taken: unknown[] = [];
  for (let i = from; step > 0 ? i < to : i > to; i += step) taken.push(all[i]);
  if (typeof value === 'string') return new Text(taken.join(''));
  return new (type === 'TupleValue' ? Tuple : List)(taken);
}
