/** Values of @huggingface/jinja's interpreter, with Python's operations on them: strip, str, ==, +. */
import { Environment } from '@huggingface/jinja';
import { exactNumber, unmarkKey } from '../../data/exact-json.ts';

/** A value of the library's interpreter. */
export interface Value {
  type: string;
  value: unknown;
  toString(): string;
}
type Call = (args: Value[], scope: unknown) => Value;

const classOf = (value: unknown) =>
  new Environment().set('value', value).constructor as unknown as { new (value: unknown): Value; prototype: Value };
const [Text, List, Mapping, Flag, Whole, Real] = ['', [], {}, true, 1, 1.5].map(classOf);
export { Text, List, Flag };
const Function = classOf(() => null) as unknown as new (call: Call) => Value;

/** The library's value for a variable; numbers and keys of exact values (data/exact-json.ts) are as in Python. */
function valueOf(given: unknown): Value {
  if (typeof given === 'string') {
    const number = exactNumber(given);
    if (number === undefined) return new Text(given);
    return /^-?\d+$/.test(number) ? new Whole(BigInt(number)) : new Real(Number(number));
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

/** The characters that Python's str.strip() removes: not U+FEFF, but U+001C to U+001F and U+0085. */
const SPACE = String.raw`\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000`;
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

/** The library's string methods. strip() and similar methods take the characters to strip, which the library ignores. */
const own = Object.getOwnPropertyDescriptor(Text.prototype, 'builtins')!.get!;
Object.defineProperty(Text.prototype, 'builtins', {
  get(this: Value) {
    const methods = own.call(this) as Map<string, Value>;
    const text = this.value as string;
    const method = (call: (...args: Value[]) => string) => new Function((args) => new Text(call(...args)));
    methods.set(
      'strip',
      method((characters) => strip(text, 'both', characters)),
    );
    methods.set(
      'lstrip',
      method((characters) => strip(text, 'left', characters)),
    );
    methods.set(
      'rstrip',
      method((characters) => strip(text, 'right', characters)),
    );
    methods.set(
      'capitalize',
      method(() => text.charAt(0).toUpperCase() + text.slice(1).toLowerCase()),
    );
    // Python counts code points.
    methods.set('length', new Whole([...text].length));
    return methods;
  },
});

/** A character that Python's repr() does not print. */
function escaping(character: string): string {
  const code = character.codePointAt(0)!;
  const hex = code.toString(16);
  if (code < 0x80 && code > 0x20 && code < 0x7f) return character;
  if (code < 0x100) return `\\x${hex.padStart(2, '0')}`;
  return code < 0x10000 ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`;
}

/** A value as Python prints it inside a list or a dictionary. */
function repr(value: Value): string {
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
  return str(value);
}

/** A number as Python prints it: with an exponent below 0.0001, and in a float from 1e16. */
export function number({ type, value }: Value): string {
  // An integer with more digits than a double has, in an exact value.
  if (typeof value === 'bigint') return String(value);
  const given = value as number;
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

/** Python's ==. The library compares like JavaScript: '1' equals 1, and none equals an undefined value. */
export function equal(a: Value, b: Value): boolean {
  const [left, right] = [a.value, b.value];
  if (left instanceof Map && right instanceof Map) {
    const entries = [...(left as Map<string, Value>)];
    return (
      left.size === right.size && entries.every(([key, item]) => right.has(key) && equal(item, right.get(key) as Value))
    );
  }
  if (Array.isArray(left) && Array.isArray(right)) {
    return left.length === right.length && left.every((item: Value, i) => equal(item, right[i] as Value));
  }
  return (typeof left === 'boolean' ? Number(left) : left) === (typeof right === 'boolean' ? Number(right) : right);
}

/** Python's +. The library converts anything that is added to a string to a string. */
export function add(a: Value, b: Value): Value {
  const [left, right] = [a.value, b.value];
  if (typeof left === 'string' && typeof right === 'string') return new Text(left + right);
  if (Array.isArray(left) && Array.isArray(right)) return new List([...(left as Value[]), ...(right as Value[])]);
  if (typeof left === 'number' && typeof right === 'number') {
    return new (a instanceof Real || b instanceof Real ? Real : Whole)(left + right);
  }
  const nameOf = ({ type }: Value) => type.replace('Value', '').toLowerCase();
  throw new Error(`cannot add ${nameOf(b)} to ${nameOf(a)}`);
}
