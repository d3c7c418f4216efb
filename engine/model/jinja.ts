/**
 * Chat templates as transformers renders them. The library @huggingface/jinja does what most templates ask for; where it differs from
 * Jinja in Python without an error, it is corrected here, once for the process. Tested against transformers with the templates of TRL
 * (test/engine/model/jinja.test.ts).
 */
import { Environment, Interpreter, Template } from '@huggingface/jinja';
import { bounded, made, range, step } from './jinja-limits.ts';

/** A value of the library's interpreter. */
interface Value {
  type: string;
  value: unknown;
  toString(): string;
}
type Call = (args: Value[], scope: unknown) => Value;
type Filter = { value?: string; callee?: { value: string } };

const classOf = (value: unknown) => new Environment().set('value', value).constructor as unknown as { new (value: unknown): Value; prototype: Value }; // prettier-ignore
const [Text, List, Mapping, Flag, Whole, Real] = ['', [], {}, true, 1, 1.5].map(classOf);
const Function = classOf(() => null) as unknown as new (call: Call) => Value;

/** What Python's str.strip() removes: U+FEFF is not among it, U+001C to U+001F and U+0085 are. */
const SPACE = String.raw`\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000`;
const escaped = (characters: string) => characters.replaceAll(/[\\\]^-]/g, String.raw`\$&`);

function strip(text: string, ends: 'both' | 'left' | 'right', characters?: Value): string {
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

/** The library's methods of strings; strip() and its like take the characters to strip, which the library ignores. */
const own = Object.getOwnPropertyDescriptor(Text.prototype, 'builtins')!.get!;
Object.defineProperty(Text.prototype, 'builtins', {
  get(this: Value) {
    const methods = own.call(this) as Map<string, Value>;
    const text = this.value as string;
    const method = (call: (...args: Value[]) => string) => new Function((args) => new Text(call(...args)));
    methods.set('strip', method((characters) => strip(text, 'both', characters))); // prettier-ignore
    methods.set('lstrip', method((characters) => strip(text, 'left', characters))); // prettier-ignore
    methods.set('rstrip', method((characters) => strip(text, 'right', characters))); // prettier-ignore
    methods.set('capitalize', method(() => text.charAt(0).toUpperCase() + text.slice(1).toLowerCase())); // prettier-ignore
    // Python counts code points.
    methods.set('length', new Whole([...text].length));
    return methods;
  },
});

/** A value as Python prints it inside a list or a dictionary. */
function repr(value: Value): string {
  const { type, value: content } = value;
  if (type === 'StringValue') {
    const text = content as string;
    const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
    const special: Record<string, string> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t', [quote]: `\\${quote}` }; // prettier-ignore
    return quote + text.replaceAll(/[\\\n\r\t'"]/g, (character) => special[character] ?? character) + quote;
  }
  return str(value);
}

/** A value as Python prints it. */
function str(value: Value): string {
  const { type, value: content } = value;
  if (type === 'BooleanValue') return content === true ? 'True' : 'False';
  if (type === 'NullValue') return 'None';
  if (type === 'UndefinedValue') return '';
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

/** Python's ==. The library compares as JavaScript does, where '1' equals 1 and none what is not defined. */
function equal(a: Value, b: Value): boolean {
  const [left, right] = [a.value, b.value];
  if (left instanceof Map && right instanceof Map) {
    const entries = [...(left as Map<string, Value>)];
    return left.size === right.size && entries.every(([key, item]) => right.has(key) && equal(item, right.get(key) as Value)); // prettier-ignore
  }
  if (Array.isArray(left) && Array.isArray(right)) {
    return left.length === right.length && left.every((item: Value, i) => equal(item, right[i] as Value));
  }
  return (typeof left === 'boolean' ? Number(left) : left) === (typeof right === 'boolean' ? Number(right) : right);
}

/** Python's +. The library makes a text of anything that is added to a text. */
function add(a: Value, b: Value): Value {
  const [left, right] = [a.value, b.value];
  if (typeof left === 'string' && typeof right === 'string') return new Text(left + right);
  if (Array.isArray(left) && Array.isArray(right)) return new List([...(left as Value[]), ...(right as Value[])]);
  if (typeof left === 'number' && typeof right === 'number') {
    return new (a instanceof Real || b instanceof Real ? Real : Whole)(left + right);
  }
  const nameOf = ({ type }: Value) => type.replace('Value', '').toLowerCase();
  throw new Error(`cannot add ${nameOf(b)} to ${nameOf(a)}`);
}

interface Binary {
  operator: { value: string };
  left: { type: string };
  right: { type: string };
}

interface Internals {
  evaluateBinaryExpression(node: Binary, environment: unknown): Value;
  applyFilter(operand: Value, filter: Filter, environment: unknown): Value;
  evaluateBlock(statements: { type: string }[], environment: unknown): Value;
  evaluate(statement: { type: string }, environment: unknown): Value;
}
const interpreter = Interpreter.prototype as unknown as Internals;
const { applyFilter, evaluate, evaluateBinaryExpression } = interpreter;
interpreter.evaluateBinaryExpression = function (this: Internals, node, environment) {
  const { value: operator } = node.operator;
  if (!['+', '~', '==', '!='].includes(operator)) return evaluateBinaryExpression.call(this, node, environment);
  const [left, right] = [node.left, node.right].map((side) => this.evaluate(side, environment));
  if (operator === '+') return add(left, right);
  if (operator === '~') return new Text(str(left) + str(right));
  return new Flag(equal(left, right) === (operator === '=='));
};

/** Expressions that give a value that is there; a slice is a new one. */
const GIVES = new Set(['Identifier', 'StringLiteral', 'MemberExpression', 'Set', 'Ternary', 'If']);
const makes = ({ type, property }: { type: string; property?: { type: string } }) => !GIVES.has(type) || property?.type === 'SliceExpression'; // prettier-ignore
interpreter.evaluate = function (this: Internals, statement, environment) {
  step();
  const value = evaluate.call(this, statement, environment);
  if (statement && makes(statement)) made(value.value);
  return value;
};
interpreter.applyFilter = function (this: Internals, operand, filter, environment) {
  const name = filter.value ?? filter.callee?.value;
  if (name === 'string') return new Text(str(operand));
  if (name === 'trim' && filter.value !== undefined) return new Text(strip(str(operand), 'both'));
  return applyFilter.call(this, operand, filter, environment);
};

/** Statements that write nothing: what they evaluate to is the library's null. */
const SILENT = new Set(['Set', 'Macro', 'Comment', 'Break', 'Continue']);
interpreter.evaluateBlock = function (this: Internals, statements, environment) {
  step();
  let text = '';
  for (const statement of statements) {
    const value = this.evaluate(statement, environment);
    // The library writes nothing for none, where Python writes None.
    if (!SILENT.has(statement.type)) text += value.type === 'NullValue' ? 'None' : str(value);
  }
  return new Text(text);
};

/** Noncharacters: they stand for nothing in any text. */
const [OPEN, CLOSE] = ['\ufdd0', '\ufdd1'];
const GENERATION = /\{%([-+]?)\s*(end)?generation\s*([-+]?)%\}/g;

/** A part of a rendered conversation: from its first character to behind its last one. */
export type Span = [start: number, end: number];

/** Functions of every template that are others than the library's, which cannot be declared twice. */
const OWN: Record<string, string> = { strftime_now: 'fixed_date', range: 'bounded_range' };

/** A parsed template. */
export class JinjaTemplate {
  /** Whether it marks what the assistant writes, by `{% generation %}`. */
  readonly marksTurns: boolean;
  private readonly template: Template;
  private readonly date: string;

  /** @param source @param date what a template that asks for the date gets */
  constructor(source: string, date: string) {
    this.marksTurns = source.search(GENERATION) >= 0;
    // Jinja reads every line end as one newline.
    const tags = source.replaceAll(/\r\n?/g, '\n').replaceAll(GENERATION, (_, before: string, end: string | undefined, after: string) => `{%${before} if true %}{{ '${end ? CLOSE : OPEN}' }}{% endif ${after}%}`); // prettier-ignore
    const own = Object.keys(OWN).filter((name) => source.includes(name));
    this.template = new Template(own.map((name) => `{%- set ${name} = ${OWN[name]} -%}`).join('') + tags);
    this.date = date;
  }

  /** @returns the text, and the spans that the template marks as the assistant's */
  render(variables: Record<string, unknown>): { text: string; turns: Span[] } {
    const marked = bounded(() =>
      this.template.render({ ...variables, fixed_date: () => this.date, bounded_range: range }),
    );
    if (!this.marksTurns) return { text: marked, turns: [] };
    let text = '';
    const turns: Span[] = [];
    let start = 0;
    for (const piece of marked.split(/([\ufdd0\ufdd1])/)) {
      if (piece === OPEN) start = text.length;
      else if (piece === CLOSE) turns.push([start, text.length]);
      else text += piece;
    }
    return { text, turns };
  }
}
