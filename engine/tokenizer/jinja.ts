/**
 * Renders chat templates as transformers does. The library @huggingface/jinja renders most templates correctly; where it silently differs
 * from Jinja in Python, it is patched here, once per process. Tested against transformers with the templates of TRL
 * (test/engine/tokenizer/jinja.test.ts).
 */
import { Interpreter, Template } from '@huggingface/jinja';
import { strftimeNow } from './fixed-date.ts';
import { bounded, inside, made, range, step } from './jinja-limits.ts';
import { JSON_PARAMETERS, toJson } from './jinja-json.ts';
import { add, equal, Flag, List, str, strip, Text, type Value } from './jinja-values.ts';

type Filter = { type: string; value?: string; callee?: { value: string }; args?: unknown[] };

interface Binary {
  operator: { value: string };
  left: { type: string };
  right: { type: string };
}

type Statement = { type: string };

interface For {
  /** Of `for x in xs if test`, a `SelectExpression` with `xs` as `lhs`. */
  iterable: Statement & { lhs?: Statement };
  body: Statement[];
  defaultBlock: Statement[];
}

/** `operand is test`, or `is not`. */
interface Test {
  operand: Statement;
  test: { value: string };
  negate: boolean;
}

interface Internals {
  evaluateBinaryExpression(node: Binary, environment: unknown): Value;
  applyFilter(operand: Value, filter: Filter, environment: unknown): Value;
  evaluateTestExpression(node: Test, environment: unknown): Value;
  evaluateArguments(args: unknown[], environment: unknown): [positional: Value[], named: Map<string, Value>];
  evaluateBlock(statements: Statement[], environment: unknown): Value;
  evaluateFor(node: For, environment: unknown): Value;
  evaluate(statement: Statement, environment: unknown): Value;
}
const interpreter = Interpreter.prototype as unknown as Internals;
const { applyFilter, evaluate, evaluateBinaryExpression, evaluateFor, evaluateTestExpression } = interpreter;
interpreter.evaluateBinaryExpression = function (this: Internals, node, environment) {
  const { value: operator } = node.operator;
  if (!['+', '~', '==', '!='].includes(operator)) return evaluateBinaryExpression.call(this, node, environment);
  const [left, right] = [node.left, node.right].map((side) => this.evaluate(side, environment));
  if (operator === '+') return add(left, right);
  if (operator === '~') return new Text(str(left) + str(right));
  return new Flag(equal(left, right) === (operator === '=='));
};

/** The items of a loop: Jinja also takes the characters of a text, and no item of an undefined value. The library refuses both. */
interface Items extends Statement {
  type: 'Items';
  of: Statement;
}
const itemsOf = (of: Statement): Items => ({ type: 'Items', of });
function items(value: Value): Value {
  if (value.type === 'UndefinedValue') return new List([]);
  return value.type === 'StringValue' ? new List([...str(value)].map((character) => new Text(character))) : value;
}

/** Expressions that return an existing value; a slice returns a new one. */
const GIVES = new Set(['Identifier', 'StringLiteral', 'MemberExpression', 'Set', 'Ternary', 'If']);
const makes = ({ type, property }: { type: string; property?: { type: string } }) =>
  !GIVES.has(type) || property?.type === 'SliceExpression';
interpreter.evaluate = function (this: Internals, statement, environment) {
  if (statement?.type === 'Items') return items(this.evaluate((statement as Items).of, environment));
  const value = inside(() => evaluate.call(this, statement, environment));
  if (statement && makes(statement)) made(value.value);
  return value;
};
/** Filters that convert anything to a text first, such as a list of types of a tool's parameter. The library refuses it. */
const TEXT_FILTERS = new Set(['upper', 'lower', 'capitalize', 'title', 'replace', 'indent']);
interpreter.applyFilter = function (this: Internals, operand, filter, environment) {
  const name = filter.value ?? filter.callee?.value;
  if (name === 'string') return new Text(str(operand));
  if (name === 'tojson') {
    const [positional, named] = this.evaluateArguments(filter.args ?? [], environment);
    const options = JSON_PARAMETERS.map((parameter, i) => [parameter, positional[i] ?? named.get(parameter)]);
    return new Text(toJson(operand, Object.fromEntries(options)));
  }
  if (name === 'trim' && filter.value !== undefined) return new Text(strip(str(operand), 'both'));
  if (name === 'map' && Array.isArray(operand.value)) {
    const [[mapped, ...more], named] = this.evaluateArguments(filter.args ?? [], environment);
    // With the name of a filter. The library knows only map(attribute=…).
    if (mapped && more.length + named.size === 0) {
      const each = { type: 'Identifier', value: str(mapped) };
      return new List((operand.value as Value[]).map((item) => this.applyFilter(item, each, environment)));
    }
  }
  const isText = operand.type === 'StringValue';
  const taken = TEXT_FILTERS.has(name!) && !isText ? new Text(str(operand)) : operand;
  return applyFilter.call(this, taken, filter, environment);
};

interpreter.evaluateTestExpression = function (this: Internals, node, environment) {
  if (node.test.value !== 'iterable') return evaluateTestExpression.call(this, node, environment);
  // In the library, an object is not iterable.
  const { type, value } = this.evaluate(node.operand, environment);
  const isIterable =
    typeof value === 'string' || Array.isArray(value) || value instanceof Map || type === 'UndefinedValue';
  return new Flag(isIterable !== node.negate);
};

/** Statements that write nothing: the library evaluates them to its null. */
const SILENT = new Set(['Set', 'Macro', 'Comment', 'Break', 'Continue']);
interpreter.evaluateBlock = function (this: Internals, statements, environment) {
  step();
  const loop = loops.get(statements);
  if (loop?.broken) throw loop.broken;
  let text = '';
  for (const statement of statements) {
    let value: Value;
    try {
      value = this.evaluate(statement, environment);
    } catch (error) {
      if (!isLoopControl(error)) throw error;
      error.written = text + (error.written ?? '');
      if (!loop) throw error;
      loop.isCutShort = true;
      if (error.constructor.name === 'BreakControl') loop.broken = error;
      return new Text(error.written);
    }
    // The library writes nothing for none; Python writes None.
    if (!SILENT.has(statement.type)) text += value.type === 'NullValue' ? 'None' : str(value);
  }
  if (loop) loop.isComplete = true;
  return new Text(text);
};

/** Thrown by `break` and `continue`. The library loses what the iteration wrote before. */
type LoopControl = Error & { written?: string };
const isLoopControl = (error: unknown): error is LoopControl =>
  error instanceof Error && ['BreakControl', 'ContinueControl'].includes(error.constructor.name);

interface Loop {
  /** Set by an iteration that breaks: its text is kept, and the next iteration ends the loop. */
  broken?: LoopControl;
  /** Whether some iteration ended early, and whether some iteration did not. */
  isCutShort?: boolean;
  isComplete?: boolean;
}

/** The loops being rendered, by their bodies. */
const loops = new Map<object, Loop>();
interpreter.evaluateFor = function (this: Internals, node, environment) {
  const outer = loops.get(node.body);
  const loop: Loop = {};
  loops.set(node.body, loop);
  try {
    const { iterable } = node;
    const wrapped =
      iterable.type === 'SelectExpression' ? { ...iterable, lhs: itemsOf(iterable.lhs!) } : itemsOf(iterable);
    const text = evaluateFor.call(this, { ...node, iterable: wrapped }, environment);
    // Jinja renders the else of a loop if every iteration ended early.
    if (!loop.isCutShort || loop.isComplete) return text;
    return new Text(str(text) + str(this.evaluateBlock(node.defaultBlock, environment)));
  } finally {
    if (outer) loops.set(node.body, outer);
    else loops.delete(node.body);
  }
};

/** Unicode noncharacters: no text contains them. */
const [OPEN, CLOSE] = ['\ufdd0', '\ufdd1'];
const GENERATION = /\{%([-+]?)\s*(end)?generation\s*([-+]?)%\}/g;

/** A part of a rendered conversation: index of its first character, and index after its last one. */
export type Span = [start: number, end: number];

/** Functions of every template that replace the library's. */
const OWN: Record<string, string> = { strftime_now: 'fixed_date', range: 'bounded_range' };

/** A parsed template. */
export class JinjaTemplate {
  /** Whether it marks the assistant's turns, by `{% generation %}`. */
  readonly marksTurns: boolean;
  private readonly source: string;
  private readonly template: Template;

  constructor(source: string) {
    this.source = source;
    this.marksTurns = source.search(GENERATION) >= 0;
    // Jinja reads every line ending as one newline.
    const tags = source
      .replaceAll(/\r\n?/g, '\n')
      .replaceAll(
        GENERATION,
        (_, before: string, end: string | undefined, after: string) =>
          `{%${before} if true %}{{ '${end ? CLOSE : OPEN}' }}{% endif ${after}%}`,
      );
    const own = Object.keys(OWN).filter((name) => source.includes(name));
    this.template = new Template(own.map((name) => `{%- set ${name} = ${OWN[name]} -%}`).join('') + tags);
  }

  /** Whether the source has a name, such as that of a variable. */
  mentions(name: string): boolean {
    return this.source.split(/\W+/).includes(name);
  }

  /** @returns the text, and the spans that the template marks as the assistant's turns */
  render(variables: Record<string, unknown>): { text: string; turns: Span[] } {
    const marked = bounded(() => this.template.render({ ...variables, fixed_date: strftimeNow, bounded_range: range }));
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
