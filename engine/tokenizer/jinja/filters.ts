/** The filters of Jinja 3.1, as transformers configures it. */
import { count, WORD } from '../../../ports/python.ts';
import { bind, flag, integer, required, type Arguments, type Given } from './arguments.ts';
import { batches, first, getter, grouped, listOf, slices, sorted, unique } from './filter-items.ts';
import { floatOf, rounded, toInteger } from './filter-numbers.ts';
import { percent } from './format.ts';
import { JSON_PARAMETERS, toJson } from './json.ts';
import { made, willMake } from './limits.ts';
import { capitalize, center, replace, splitLines, strip } from './methods.ts';
import { onlyAttribute, operate } from './operators.ts';
import { testsWith } from './tests.ts';
import {
  compare,
  Generator,
  isUndefined,
  iterate,
  length,
  List,
  Mapping,
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
} from './values.ts';

/** A filter with the names of its parameters, or one that takes any arguments. */
type Filter =
  | readonly [parameters: readonly string[], call: (value: Value, ...given: Given[]) => Value]
  | ((value: Value, given: Arguments) => Value);

const toText = (convert: (text: string) => string): Filter => [[], (value) => new Text(convert(str(value)))];

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

/** Whether a value passes a test. @throws for a test that does not exist, and as Python does */
export const passesTest = testsWith((name) => Object.hasOwn(FILTERS, name));
