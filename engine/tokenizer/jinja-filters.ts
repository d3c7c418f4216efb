/** The filters and tests of Jinja 3.1, as transformers configures it. */
import { count, isLower, isUpper, WORD } from '../../ports/python.ts';
import { bind, integer, type Arguments } from './jinja-arguments.ts';
import { fixed, percent } from './jinja-format.ts';
import { JSON_PARAMETERS, toJson } from './jinja-json.ts';
import { made, willMake } from './jinja-limits.ts';
import { capitalize, center, replace, splitLines, strip } from './jinja-methods.ts';
import { contains, Group, item, onlyAttribute, operate } from './jinja-operators.ts';
import {
  compare,
  equal,
  Generator,
  isUndefined,
  iterate,
  length,
  List,
  Mapping,
  Missing,
  Nothing,
  numeric,
  Real,
  str,
  Text,
  truth,
  Tuple,
  typeName,
  undefinedUsed,
  whole,
  type Value,
} from './jinja-values.ts';

type Given = Value | undefined;

/** A filter with the names of its parameters, or one that takes any arguments. */
type Filter =
  | readonly [parameters: readonly string[], call: (value: Value, ...given: Given[]) => Value]
  | ((value: Value, given: Arguments) => Value);

const isGiven = (value: Given): value is Value => value !== undefined && value.type !== 'NullValue';
const flag = (value: Given): boolean => value !== undefined && truth(value);
const toText = (convert: (text: string) => string): Filter => [[], (value) => new Text(convert(str(value)))];
const required = (value: Given, name: string): Value => {
  if (value === undefined) throw new Error(`the argument '${name}' is missing`);
  return value;
};
const first = (items: Value[], what: string): Value => items[0] ?? new Missing(`No ${what}, sequence was empty.`);

/** A copy of a value's items. */
const listOf = (value: Value): Value[] => [...iterate(value)];

/** Gives the attribute of an item: a path such as `function.name` or `items.0`, or a key. The item itself if there is no attribute. */
function getter(attribute: Given, isCaseSensitive = true, otherwise?: Given): (of: Value) => Value {
  const path = isGiven(attribute)
    ? typeof attribute.value === 'string'
      ? attribute.value.split('.').map((key) => (/^\d+$/.test(key) ? whole(Number(key)) : new Text(key)))
      : [attribute]
    : [];
  return (of) => {
    let found = of;
    for (const key of path) {
      found = item(found, key);
      if (isUndefined(found) && isGiven(otherwise)) found = otherwise;
    }
    return isCaseSensitive ? found : lowered(found);
  };
}

const lowered = (value: Value): Value =>
  typeof value.value === 'string' ? new Text(value.value.toLowerCase()) : value;

/** Python's sorted(). It keeps the order of equal items, in a reversed one too. */
function sorted(items: Value[], keyOf: (of: Value) => Value, isReversed = false): Value[] {
  const keyed = items.map((of) => ({ of, key: keyOf(of) }));
  keyed.sort((a, b) => (isReversed ? compare(b.key, a.key) : compare(a.key, b.key)));
  return keyed.map(({ of }) => of);
}

const extreme = (what: (order: number) => boolean): Filter => [
  ['case_sensitive', 'attribute'],
  (value, isCaseSensitive, attribute) => {
    const keyOf = getter(attribute, flag(isCaseSensitive));
    const items = iterate(value);
    return items
      .slice(1)
      .reduce((best, next) => (what(compare(keyOf(next), keyOf(best))) ? next : best), first(items, 'aggregated item'));
  },
];

/** Filters by a test of each item, or of an attribute of it. */
const selecting =
  (isSelected: boolean, ofAttribute: boolean): Filter =>
  (value, { positional, named }) => {
    if (!truth(value)) return new Generator([]);
    const more = positional.slice(ofAttribute ? 1 : 0);
    const of = ofAttribute ? getter(required(positional[0], 'attribute')) : (each: Value) => each;
    const [name, ...given] = more;
    const passes = (each: Value) => (name ? passesTest(str(name), each, { positional: given, named }) : truth(each));
    return new Generator(iterate(value).filter((each) => passes(of(each)) === isSelected));
  };

/** Python's float() of a text; undefined if it is none. */
function floatOf(text: string): number | undefined {
  const plain = strip(text, 'both').replaceAll(/(?<=\d)_(?=\d)/g, '');
  if (/^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(plain)) return Number(plain);
  const named = /^([+-]?)(inf|infinity|nan)$/i.exec(plain);
  if (!named) return undefined;
  if (named[2].toLowerCase() === 'nan') return NaN;
  return named[1] === '-' ? -Infinity : Infinity;
}

/** Python's int() of a float; undefined for NaN. */
function truncated(value: number): Value | undefined {
  if (Number.isNaN(value)) return undefined;
  if (!Number.isFinite(value)) throw new Error('cannot convert float infinity to integer');
  return whole(BigInt(Math.trunc(value)));
}

function toInteger(value: Value): Value | undefined {
  if (isUndefined(value)) throw undefinedUsed(value);
  if (typeof value.value === 'string') {
    const plain = strip(value.value, 'both').replaceAll(/(?<=\d)_(?=\d)/g, '');
    if (/^[+-]?\d+$/.test(plain)) return whole(BigInt(plain.replace(/^\+/, '')));
    const float = floatOf(value.value);
    return float === undefined || !Number.isFinite(float) ? undefined : truncated(float);
  }
  const number = numeric(value);
  if (number === undefined) return undefined;
  return typeof number === 'number' ? truncated(number) : whole(number);
}

function rounded(value: Value, precision: number, method: string): Value {
  const number = numeric(value);
  if (isUndefined(value)) throw undefinedUsed(value);
  if (number === undefined) throw new Error(`type ${typeName(value)} doesn't define __round__ method`);
  if (!['common', 'ceil', 'floor'].includes(method)) throw new Error('method must be common, ceil or floor');
  if (precision < 0) throw new Error('a negative precision is not supported');
  if (method !== 'common') {
    const scale = 10 ** precision;
    return new Real((method === 'ceil' ? Math.ceil : Math.floor)(Number(number) * scale) / scale);
  }
  if (value.type !== 'FloatValue') return whole(number);
  const size = Number(fixed(Number(number), precision));
  return new Real(Number(number) < 0 || Object.is(number, -0) ? -size : size);
}

const indented: Filter = [
  ['width', 'first', 'blank'],
  (value, width, isFirst, isBlank) => {
    if (isUndefined(value)) throw undefinedUsed(value);
    if (typeof value.value !== 'string') throw new Error(`indent expects a text, not ${typeName(value)}`);
    const lines = splitLines(`${value.value}\n`);
    const size = integer(typeof width?.value === 'string' ? undefined : width, 4);
    willMake(size * lines.length);
    const indent = typeof width?.value === 'string' ? width.value : ' '.repeat(Math.max(0, size));
    const [start, ...others] = lines;
    const after = others.map((line) => (flag(isBlank) || line !== '' ? indent + line : line));
    return new Text((flag(isFirst) ? indent : '') + [start, ...after].join('\n'));
  },
];

/** The items in lists of a size. */
function batches(items: Value[], size: number, fill: Given): Value[] {
  const lists: Value[][] = [];
  let batch: Value[] = [];
  for (const each of items) {
    if (batch.length === size) {
      lists.push(batch);
      batch = [];
    }
    batch.push(each);
  }
  if (isGiven(fill) && batch.length > 0 && batch.length < size) {
    willMake(size, 'list');
    while (batch.length < size) batch.push(fill);
  }
  return [...lists, ...(batch.length > 0 ? [batch] : [])].map((each) => new List(each));
}

/** The items in a number of lists of about equal sizes. */
function slices(items: Value[], number: number, fill: Given): Value[] {
  if (number < 1) throw new Error('the number of slices must be positive');
  willMake(number, 'list');
  const size = Math.floor(items.length / number);
  const longer = items.length % number;
  return Array.from({ length: number }, (_, i) => {
    const start = i * size + Math.min(i, longer);
    const slice = items.slice(start, start + size + (i < longer ? 1 : 0));
    return new List(isGiven(fill) && i >= longer ? [...slice, fill] : slice);
  });
}

function grouped(value: Value, attribute: Given, otherwise: Given, isCaseSensitive: boolean): Value {
  const keyOf = getter(required(attribute, 'attribute'), isCaseSensitive, otherwise);
  const groups: { key: Value; items: Value[] }[] = [];
  for (const each of sorted(listOf(value), keyOf)) {
    const key = keyOf(each);
    const last = groups.at(-1);
    if (last && equal(last.key, key)) last.items.push(each);
    else groups.push({ key, items: [each] });
  }
  const shown = getter(attribute, true, otherwise);
  return new List(groups.map(({ items }) => new Group([shown(items[0]), new List(items)])));
}

function unique(items: Value[], keyOf: (of: Value) => Value): Value[] {
  const keys: Value[] = [];
  const seen = new Set<unknown>();
  return items.filter((each) => {
    const key = keyOf(each);
    if (['ArrayValue', 'ObjectValue'].includes(key.type)) throw new Error(`unhashable type: '${typeName(key)}'`);
    const known = numeric(key) ?? key.value;
    if (seen.has(known) || (Array.isArray(known) && keys.some((other) => equal(other, key)))) return false;
    seen.add(known);
    keys.push(key);
    return true;
  });
}

const lengthFilter: Filter = [[], (value) => whole(length(value))];
const defaultFilter: Filter = [
  ['default_value', 'boolean'],
  (value, otherwise = new Text(''), boolean) =>
    isUndefined(value) || (flag(boolean) && !truth(value)) ? otherwise : value,
];

const FILTERS: Record<string, Filter> = {
  abs: [
    [],
    (value) => {
      const number = numeric(value);
      if (number === undefined) throw new Error(`bad operand type for abs(): '${typeName(value)}'`);
      return value.type === 'FloatValue' ? new Real(Math.abs(Number(number))) : whole(number < 0 ? -number : number);
    },
  ],
  attr: [['name'], (value, name) => onlyAttribute(value, str(required(name, 'name')))],
  batch: [
    ['linecount', 'fill_with'],
    (value, size, fill) => new Generator(batches(iterate(value), integer(size, 0), fill)),
  ],
  capitalize: toText(capitalize),
  center: [['width'], (value, width) => new Text(center(str(value), integer(width, 80)))],
  count: lengthFilter,
  d: defaultFilter,
  default: defaultFilter,
  dictsort: [
    ['case_sensitive', 'by', 'reverse'],
    (value, isCaseSensitive, by, isReversed) => {
      if (isUndefined(value)) throw undefinedUsed(value);
      if (value.type !== 'ObjectValue') throw new Error(`'${typeName(value)}' object has no attribute 'items'`);
      const index = by === undefined ? 0 : ['key', 'value'].indexOf(str(by));
      if (index < 0) throw new Error('You can only sort by either "key" or "value"');
      const pairs = [...(value.value as Map<string, Value>)].map(([key, each]) => new Tuple([new Text(key), each]));
      const keyOf = getter(whole(index), flag(isCaseSensitive));
      return new List(sorted(pairs, keyOf, flag(isReversed)));
    },
  ],
  first: [
    [],
    (value) => {
      const items = iterate(value);
      // Of a generator, the others are still to come.
      if (value instanceof Generator) value.value = items.slice(1);
      return first(items, 'first item');
    },
  ],
  float: [
    ['default'],
    (value, otherwise = new Real(0)) => {
      if (isUndefined(value)) throw undefinedUsed(value);
      const number = typeof value.value === 'string' ? floatOf(value.value) : numeric(value);
      return number === undefined ? otherwise : new Real(Number(number));
    },
  ],
  format: (value, { positional, named }) => {
    if (positional.length > 0 && named.size > 0)
      throw new Error('format takes positional or keyword arguments, not both');
    return new Text(percent(str(value), named.size > 0 ? new Mapping(named) : new Tuple(positional)));
  },
  groupby: [
    ['attribute', 'default', 'case_sensitive'],
    (value, attribute, otherwise, isCaseSensitive) => grouped(value, attribute, otherwise, flag(isCaseSensitive)),
  ],
  indent: indented,
  int: [
    ['default', 'base'],
    (value, otherwise = whole(0), base) => {
      if (integer(base, 10) !== 10) throw new Error('int supports only base 10');
      return toInteger(value) ?? otherwise;
    },
  ],
  items: [
    [],
    (value) => {
      if (isUndefined(value)) return new Generator([]);
      if (value.type !== 'ObjectValue') throw new Error('Can only get item pairs from a mapping.');
      return new Generator(
        [...(value.value as Map<string, Value>)].map(([key, each]) => new Tuple([new Text(key), each])),
      );
    },
  ],
  join: [
    ['d', 'attribute'],
    (value, separator, attribute) =>
      new Text(
        iterate(value)
          .map(getter(attribute))
          .map(str)
          .join(separator ? str(separator) : ''),
      ),
  ],
  last: [
    [],
    (value) => {
      if (value instanceof Generator) throw new Error("'generator' object is not reversible");
      return first(listOf(value).reverse(), 'last item');
    },
  ],
  length: lengthFilter,
  list: [[], (value) => new List(listOf(value))],
  lower: toText((text) => text.toLowerCase()),
  map: (value, { positional, named }) => {
    if (!truth(value)) return new Generator([]);
    const [name, ...given] = positional;
    if (name) {
      const each = str(name);
      return new Generator(iterate(value).map((of) => applyFilter(each, of, { positional: given, named })));
    }
    const [attribute, otherwise] = bind('map', ['attribute', 'default'], { positional, named });
    const get = getter(required(attribute, 'attribute'), true, otherwise);
    return new Generator(iterate(value).map(get));
  },
  max: extreme((order) => order > 0),
  min: extreme((order) => order < 0),
  reject: selecting(false, false),
  rejectattr: selecting(false, true),
  replace: [
    ['old', 'new', 'count'],
    (value, old, other, most) =>
      new Text(replace(str(value), str(required(old, 'old')), str(required(other, 'new')), integer(most, -1))),
  ],
  reverse: [
    [],
    (value) =>
      typeof value.value === 'string'
        ? new Text([...value.value].reverse().join(''))
        : new Generator(listOf(value).reverse()),
  ],
  round: [
    ['precision', 'method'],
    (value, precision, method) => rounded(value, integer(precision, 0), method ? str(method) : 'common'),
  ],
  safe: toText((text) => text),
  select: selecting(true, false),
  selectattr: selecting(true, true),
  slice: [
    ['slices', 'fill_with'],
    (value, number, fill) => new Generator(slices(iterate(value), integer(number, 0), fill)),
  ],
  sort: [
    ['reverse', 'case_sensitive', 'attribute'],
    (value, isReversed, isCaseSensitive, attribute) => {
      const paths =
        typeof attribute?.value === 'string' ? attribute.value.split(',').map((path) => new Text(path)) : [attribute];
      const getters = paths.map((path) => getter(path, flag(isCaseSensitive)));
      const keyOf = (of: Value) => new List(getters.map((get) => get(of)));
      return new List(sorted(listOf(value), keyOf, flag(isReversed)));
    },
  ],
  string: toText((text) => text),
  sum: [
    ['attribute', 'start'],
    (value, attribute, start = whole(0)) => {
      if (typeof start.value === 'string') throw new Error("sum() can't sum strings");
      return iterate(value)
        .map(getter(attribute))
        .reduce((sum, each) => {
          const next = operate('+', sum, each);
          made(next.value);
          return next;
        }, start);
    },
  ],
  title: toText((text) =>
    text
      .split(/([-\s({[<]+)/u)
      .map(capitalize)
      .join(''),
  ),
  tojson: [
    JSON_PARAMETERS,
    (value, ...given) =>
      new Text(toJson(value, Object.fromEntries(JSON_PARAMETERS.map((name, i) => [name, given[i]])))),
  ],
  trim: [['chars'], (value, characters) => new Text(strip(str(value), 'both', characters))],
  unique: [
    ['case_sensitive', 'attribute'],
    (value, isCaseSensitive, attribute) =>
      new Generator(unique(iterate(value), getter(attribute, flag(isCaseSensitive)))),
  ],
  upper: toText((text) => text.toUpperCase()),
  wordcount: [[], (value) => whole(count(str(value), new RegExp(`${WORD}+`, 'gu')))],
};

/** Applies a filter. @throws for a filter that does not exist, and as Python does */
export function applyFilter(name: string, value: Value, given: Arguments): Value {
  if (!Object.hasOwn(FILTERS, name)) throw new Error(`No filter named '${name}'.`);
  const filter = FILTERS[name];
  if (typeof filter === 'function') return filter(value, given);
  const [parameters, call] = filter;
  return call(value, ...bind(name, parameters, given));
}

type Test = (value: Value, other: Value) => boolean;

const ofType =
  (...types: string[]): Test =>
  ({ type }) =>
    types.includes(type);
const comparing =
  (operator: string): Test =>
  (value, other) =>
    truth(operate(operator, value, other));
const remainder =
  (result: number): Test =>
  (value) =>
    equal(operate('%', value, whole(2)), whole(result));

const TESTS: Record<string, Test> = {
  defined: (value) => !isUndefined(value),
  undefined: isUndefined,
  none: ofType('NullValue'),
  boolean: ofType('BooleanValue'),
  true: ({ value }) => value === true,
  false: ({ value }) => value === false,
  integer: ofType('IntegerValue'),
  float: ofType('FloatValue'),
  number: ofType('IntegerValue', 'FloatValue', 'BooleanValue'),
  string: ofType('StringValue'),
  mapping: ofType('ObjectValue'),
  sequence: ofType('StringValue', 'ArrayValue', 'TupleValue', 'ObjectValue', 'UndefinedValue'),
  iterable: (value) =>
    isUndefined(value) || typeof value.value === 'string' || Array.isArray(value.value) || value.type === 'ObjectValue',
  callable: ofType('FunctionValue', 'UndefinedValue'),
  escaped: () => false,
  filter: ({ value }) => typeof value === 'string' && Object.hasOwn(FILTERS, value),
  test: ({ value }) => typeof value === 'string' && Object.hasOwn(TESTS, value),
  lower: (value) => isLower(str(value)),
  upper: (value) => isUpper(str(value)),
  odd: remainder(1),
  even: remainder(0),
  divisibleby: (value, other) => equal(operate('%', value, other), whole(0)),
  sameas: (value, other) =>
    value === other ||
    (value.type === other.type && typeof value.value !== 'object' && value.value === other.value) ||
    (value instanceof Nothing && other instanceof Nothing),
  in: (value, other) => contains(other, value),
  ...Object.fromEntries(
    [
      ['==', 'eq', 'equalto'],
      ['!=', 'ne'],
      ['<', 'lt', 'lessthan'],
      ['<=', 'le'],
      ['>', 'gt', 'greaterthan'],
      ['>=', 'ge'],
    ].flatMap((names) => names.map((name) => [name, comparing(names[0])])),
  ),
};

/** The tests that compare with an argument. */
export const TESTS_WITH_ARGUMENT =
  /^(divisibleby|sameas|in|eq|equalto|ne|lt|lessthan|le|gt|greaterthan|ge|[=!]=|[<>]=?)$/;

/** Whether a value passes a test. @throws for a test that does not exist, and as Python does */
export function passesTest(name: string, value: Value, { positional, named }: Arguments): boolean {
  if (!Object.hasOwn(TESTS, name)) throw new Error(`No test named '${name}'.`);
  const expected = TESTS_WITH_ARGUMENT.test(name) ? 1 : 0;
  if (named.size > 0 || positional.length !== expected) {
    throw new Error(`the test '${name}' takes ${expected} arguments, but ${positional.length + named.size} are given`);
  }
  return TESTS[name](value, positional[0]);
}
