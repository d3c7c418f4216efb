/** The methods of Python's values in a chat template, without those that change a list or a dictionary: Jinja's sandbox has none. */
import { isLower, isUpper } from '../../../ports/python.ts';
import { bind, functionOf, integer, type Arguments } from './arguments.ts';
import { willMake } from './limits.ts';
import {
  equal,
  Flag,
  iterate,
  List,
  Mapping,
  Nothing,
  Text,
  Tuple,
  typeName,
  View,
  whole,
  type Value,
} from './values.ts';

/** The characters that Python's str.strip() removes: not U+FEFF, but U+001C to U+001F and U+0085. */
const SPACE = String.raw`\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000`;
const SPACES = new RegExp(`[${SPACE}]+`, 'u');
const escaped = (characters: string) => characters.replaceAll(/[\\\]^-]/g, String.raw`\$&`);

/** Python's str.strip(), lstrip() and rstrip(). @param characters to strip. Default: white space */
export function strip(text: string, ends: 'both' | 'left' | 'right', characters?: Value): string {
  const set = typeof characters?.value === 'string' ? escaped(characters.value) : SPACE;
  if (set === '') return text;
  const start = ends === 'right' ? text : text.replace(new RegExp(`^[${set}]+`, 'u'), '');
  if (ends === 'left') return start;
  // From the end: a regular expression would try every run of spaces in the text.
  const last = new RegExp(`[${set}]`, 'u');
  const points = [...start];
  while (points.length > 0 && last.test(points.at(-1)!)) points.pop();
  return points.join('');
}

/** Python's str.capitalize(). */
export function capitalize(text: string): string {
  const [first = '', ...others] = text;
  return first.toUpperCase() + others.join('').toLowerCase();
}

const LINE_END = new RegExp(String.raw`\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]`, 'u');

/** Python's str.splitlines(), without the ends of the lines. */
export function splitLines(text: string): string[] {
  const lines = text.split(LINE_END);
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

/** Python's str.replace(). @param count of replacements; all if it is negative */
export function replace(text: string, old: string, other: string, count: number): string {
  if (count < 0) return text.replaceAll(old === '' ? /(?:)/gu : old, () => other);
  let left = count;
  return text.replaceAll(old === '' ? /(?:)/gu : old, (found) => (left-- > 0 ? other : found));
}

/** Python's str.center(). */
export const center = (text: string, width: number, fill = ' '): string => {
  const missing = missingTo(text, width);
  // Python puts the odd character to the left if the width is odd, too.
  const left = Math.floor(missing / 2) + (missing & width & 1);
  return fill.repeat(left) + text + fill.repeat(missing - left);
};

function missingTo(text: string, width: number): number {
  willMake(width);
  return Math.max(0, width - [...text].length);
}

type Method<T> = readonly [parameters: readonly string[], call: (self: T, ...given: (Value | undefined)[]) => Value];

/** The text of an argument. @throws when it is none */
function text(value: Value | undefined): string {
  if (typeof value?.value === 'string') return value.value;
  throw new Error(`an argument must be str, not ${value ? typeName(value) : 'missing'}`);
}
const isGiven = (value: Value | undefined): value is Value => value !== undefined && value.type !== 'NullValue';
const list = (parts: string[]) => new List(parts.map((part) => new Text(part)));
const tuple = (...parts: string[]) => new Tuple(parts.map((part) => new Text(part)));
const toText = (convert: (self: string) => string): Method<string> => [[], (self) => new Text(convert(self))];
const test = (pattern: RegExp): Method<string> => [[], (self) => new Flag(pattern.test(self))];
/** Positional parameters have no name in Python. */
const CHARACTERS = ['(1)'];

/** Splits a text from its start or its end. */
const split = (from: 'start' | 'end'): Method<string> => [
  ['sep', 'maxsplit'],
  (self, separator, most) => {
    const limit = integer(most, -1);
    const bySpace = !isGiven(separator);
    const whole = bySpace ? strip(self, 'both') : self;
    if (bySpace && whole === '') return new List([]);
    const between = bySpace ? '' : text(separator);
    if (!bySpace && between === '') throw new Error('empty separator');
    const parts = bySpace ? whole.split(SPACES) : whole.split(between);
    if (limit < 0 || parts.length <= limit + 1) return list(parts);
    if (!bySpace) {
      return from === 'start'
        ? list([...parts.slice(0, limit), parts.slice(limit).join(between)])
        : list([parts.slice(0, parts.length - limit).join(between), ...parts.slice(parts.length - limit)]);
    }
    // The rest keeps its own spaces, those at the far end of the text too.
    const taken = from === 'start' ? parts.slice(0, limit) : parts.slice(parts.length - limit);
    let rest = from === 'start' ? strip(self, 'left') : strip(self, 'right');
    for (const part of from === 'start' ? taken : taken.toReversed()) {
      rest = from === 'start' ? rest.slice(part.length) : rest.slice(0, rest.length - part.length);
      rest = strip(rest, from === 'start' ? 'left' : 'right');
    }
    return list(from === 'start' ? [...taken, rest] : [rest, ...taken]);
  },
];

/** Whether a text begins or ends with another, or with one of a tuple. */
const affix = (has: (self: string, part: string) => boolean): Method<string> => [
  ['(1)', '(2)', '(3)'],
  (self, given, start, end) => {
    const range = start || end ? [...self].slice(integer(start, 0), integer(end, Infinity)).join('') : self;
    const parts = given?.type === 'TupleValue' ? (given.value as Value[]) : [given];
    return new Flag(parts.some((each) => has(range, text(each))));
  },
];

/** The index of a text in another, in characters. */
const find = (from: 'start' | 'end', isRequired: boolean): Method<string> => [
  ['(1)', '(2)', '(3)'],
  (self, given, start, end) => {
    const all = [...self];
    const [first, last] = [integer(start, 0), integer(end, all.length)].map((bound) =>
      bound < 0 ? Math.max(0, bound + all.length) : Math.min(bound, all.length),
    );
    const within = all.slice(first, last).join('');
    const at = from === 'start' ? within.indexOf(text(given)) : within.lastIndexOf(text(given));
    if (at < 0 && isRequired) throw new Error('substring not found');
    return whole(at < 0 ? -1 : first + Array.from(within.slice(0, at)).length);
  },
];

const partition = (from: 'start' | 'end'): Method<string> => [
  CHARACTERS,
  (self, separator) => {
    const between = text(separator);
    if (between === '') throw new Error('empty separator');
    const at = from === 'start' ? self.indexOf(between) : self.lastIndexOf(between);
    if (at < 0) return from === 'start' ? tuple(self, '', '') : tuple('', '', self);
    return tuple(self.slice(0, at), between, self.slice(at + between.length));
  },
];

const aligned = (at: (self: string, width: number, fill: string) => string): Method<string> => [
  ['(1)', '(2)'],
  (self, width, fill) => new Text(at(self, integer(width, 0), fill ? text(fill) : ' ')),
];

const TEXT: Record<string, Method<string>> = {
  upper: toText((self) => self.toUpperCase()),
  lower: toText((self) => self.toLowerCase()),
  casefold: toText((self) => self.toLowerCase().replaceAll('ß', 'ss')),
  capitalize: toText(capitalize),
  title: toText((self) => self.replaceAll(/\p{L}+/gu, capitalize)),
  swapcase: toText((self) =>
    [...self].map((each) => (each === each.toUpperCase() ? each.toLowerCase() : each.toUpperCase())).join(''),
  ),
  strip: [CHARACTERS, (self, characters) => new Text(strip(self, 'both', characters))],
  lstrip: [CHARACTERS, (self, characters) => new Text(strip(self, 'left', characters))],
  rstrip: [CHARACTERS, (self, characters) => new Text(strip(self, 'right', characters))],
  split: split('start'),
  rsplit: split('end'),
  splitlines: [
    ['keepends'],
    (self, keep) => {
      if (keep && keep.value !== false) throw new Error('splitlines(true) is not supported');
      return list(splitLines(self));
    },
  ],
  replace: [
    ['(1)', '(2)', 'count'],
    (self, old, other, count) => new Text(replace(self, text(old), text(other), integer(count, -1))),
  ],
  startswith: affix((self, part) => self.startsWith(part)),
  endswith: affix((self, part) => self.endsWith(part)),
  find: find('start', false),
  rfind: find('end', false),
  index: find('start', true),
  rindex: find('end', true),
  count: [
    CHARACTERS,
    (self, part) => whole(text(part) === '' ? [...self].length + 1 : self.split(text(part)).length - 1),
  ],
  join: [CHARACTERS, (self, items) => new Text(iterate(items!).map(text).join(self))],
  partition: partition('start'),
  rpartition: partition('end'),
  removeprefix: [
    CHARACTERS,
    (self, part) => new Text(self.startsWith(text(part)) ? self.slice(text(part).length) : self),
  ],
  removesuffix: [
    CHARACTERS,
    (self, part) => new Text(text(part) !== '' && self.endsWith(text(part)) ? self.slice(0, -text(part).length) : self),
  ],
  ljust: aligned((self, width, fill) => self + fill.repeat(missingTo(self, width))),
  rjust: aligned((self, width, fill) => fill.repeat(missingTo(self, width)) + self),
  center: aligned(center),
  zfill: [
    CHARACTERS,
    (self, width) => {
      const zeros = '0'.repeat(missingTo(self, integer(width, 0)));
      return new Text(/^[+-]/.test(self) ? self[0] + zeros + self.slice(1) : zeros + self);
    },
  ],
  isalpha: test(/^\p{L}+$/u),
  isalnum: test(/^[\p{L}\p{N}]+$/u),
  isdigit: test(/^[\p{Nd}²³¹]+$/u),
  isdecimal: test(/^\p{Nd}+$/u),
  isnumeric: test(/^\p{N}+$/u),
  isspace: test(new RegExp(`^[${SPACE}]+$`, 'u')),
  isupper: [[], (self) => new Flag(isUpper(self))],
  islower: [[], (self) => new Flag(isLower(self))],
};

const itemsOf = (self: Map<string, Value>) => [...self].map(([key, value]) => new Tuple([new Text(key), value]));
const keysOf = (self: Map<string, Value>) => [...self.keys()].map((key) => new Text(key));

const DICTIONARY: Record<string, Method<Map<string, Value>>> = {
  get: [
    ['(1)', '(2)'],
    (self, key, otherwise = new Nothing(null)) =>
      (typeof key?.value === 'string' ? self.get(key.value) : undefined) ?? otherwise,
  ],
  items: [[], (self) => new View('items', itemsOf(self))],
  keys: [[], (self) => new View('keys', keysOf(self))],
  values: [[], (self) => new View('values', [...self.values()])],
  copy: [[], (self) => new Mapping(new Map(self))],
};

const SEQUENCE: Record<string, Method<Value[]>> = {
  index: [
    CHARACTERS,
    (self, item) => {
      const at = self.findIndex((each) => equal(each, item!));
      if (at < 0) throw new Error('the item is not in the list');
      return whole(at);
    },
  ],
  count: [CHARACTERS, (self, item) => whole(self.filter((each) => equal(each, item!)).length)],
};

/** A value's method; undefined if it has none of this name. */
export function methodOf(object: Value, name: string): Value | undefined {
  const { type, value } = object;
  const has = (table: object) => Object.hasOwn(table, name);
  const bound = <T>([parameters, call]: Method<T>) =>
    functionOf((given: Arguments) => call(value as T, ...bind(name, parameters, given)));
  if (typeof value === 'string') return has(TEXT) ? bound(TEXT[name]) : undefined;
  if (type === 'ObjectValue') return has(DICTIONARY) ? bound(DICTIONARY[name]) : undefined;
  if (type !== 'ArrayValue' && type !== 'TupleValue') return undefined;
  if (name === 'copy' && type === 'ArrayValue') return functionOf(() => new List([...(value as Value[])]));
  return has(SEQUENCE) ? bound(SEQUENCE[name]) : undefined;
}
