/**
 * The interpreter of the library @huggingface/jinja, which parses templates and keeps their variables, patched once per process.
 * Expressions, filters, tests, methods and loops are those of Jinja in Python: the library's are more lenient, and fewer.
 */
import { Environment, Interpreter } from '@huggingface/jinja';
import { chainedOperator } from './chains.ts';
import { applyFilter, passesTest } from './filters.ts';
import { inside, made, step, willMake } from './limits.ts';
import { isLoopControl, loopOf } from './loop.ts';
import { attribute, item, operate, slice } from './operators.ts';
import { testOf } from './syntax.ts';
import {
  Flag,
  Function,
  isUndefined,
  iterate,
  Missing,
  Nothing,
  str,
  Text,
  truth,
  undefinedUsed,
  whole,
  type Value,
} from './values.ts';

type Statement = { type: string };
type Named = Statement & { value: string };
type Filter = Named | (Statement & { callee: Named; args: unknown[] });

interface Compared {
  result: Value;
  last: Value;
}

interface Binary {
  operator: { value: string };
  left: Statement;
  right: Statement;
}

/** `object.property`, or `object[property]` (computed), whose property may be a slice. */
interface Member {
  object: Statement;
  property: Statement & { value?: string | number; start?: Statement; stop?: Statement; step?: Statement };
  computed: boolean;
}

/** `operand is test`, or `is not`. */
interface Test {
  operand: Statement;
  test: { value: string };
  negate: boolean;
}

interface For {
  /** A name, or a tuple of targets. */
  loopvar: Target;
  /** Of `for x in xs if test`, a `SelectExpression`. */
  iterable: Statement & { lhs?: Statement; test?: Statement };
  body: Statement[];
  defaultBlock: Statement[];
}
type Target = { type: string; value: string | Target[] };

interface Assignment {
  assignee: Target;
  /** Absent if a block follows. */
  value?: Statement | null;
}

interface Macro {
  name: { value: string };
}

interface Call {
  callee: Statement;
  args: unknown[];
}

interface Internals {
  evaluateBinaryExpression(node: Binary, environment: Environment): Value;
  evaluateMemberExpression(node: Member, environment: Environment): Value;
  evaluateCallExpression(node: Call, environment: Environment): Value;
  applyFilter(operand: Value, filter: Filter, environment: Environment): Value;
  evaluateTestExpression(node: Test, environment: Environment): Value;
  evaluateArguments(args: unknown[], environment: Environment): [positional: Value[], named: Map<string, Value>];
  evaluateBlock(statements: Statement[], environment: Environment): Value;
  evaluateSet(node: Assignment, environment: Environment): Value;
  evaluateFor(node: For, environment: Environment): Value;
  evaluateMacro(node: Macro, environment: Environment): Value;
  evaluate(statement: Statement, environment: Environment): Value;
}
const interpreter = Interpreter.prototype as unknown as Internals;
const { evaluate, evaluateBinaryExpression, evaluateCallExpression, evaluateMacro, evaluateSet } = interpreter;

/** Expressions that return an existing value; a slice returns a new one. */
const GIVES = new Set(['Identifier', 'StringLiteral', 'MemberExpression', 'Set', 'Ternary', 'If']);
const makes = ({ type, property }: { type: string; property?: { type: string } }) =>
  !GIVES.has(type) || property?.type === 'SliceExpression';
interpreter.evaluate = function (this: Internals, statement, environment) {
  if (statement?.type === 'Called') return called.call(this, (statement as Called).of, environment);
  const value = inside(() => evaluate.call(this, statement, environment));
  if (statement && makes(statement)) made(value.value);
  return value;
};

interpreter.evaluateBinaryExpression = function (this: Internals, node, environment) {
  const { value: operator } = node.operator;
  if (operator === 'and' || operator === 'or') return evaluateBinaryExpression.call(this, node, environment);
  return compared.call(this, node, environment).result;
};

/** The result of an operator, and its right operand, with which a chain of comparisons goes on. */
function compared(this: Internals, { operator, left, right }: Binary, environment: Environment): Compared {
  const chained = chainedOperator(operator.value);
  let first: Value;
  if (chained === undefined) first = used.call(this, left, environment);
  else {
    const before = inside(() => compared.call(this, left as unknown as Binary, environment));
    // Python evaluates the rest only after comparisons that are true.
    if (!truth(before.result)) return before;
    first = before.last;
  }
  const last = used.call(this, right, environment);
  return { result: operate(chained ?? operator.value, first, last), last };
}

/** An expression whose value is used: one that is undefined says why. */
function used(this: Internals, expression: Statement, environment: Environment): Value {
  const value = this.evaluate(expression, environment);
  if (!isUndefined(value) || value instanceof Missing || expression.type !== 'Identifier') return value;
  return new Missing(`'${(expression as Named).value}' is undefined`);
}

interpreter.evaluateMemberExpression = function (this: Internals, { object, property, computed }, environment) {
  const of = used.call(this, object, environment);
  if (!computed) {
    return property.type === 'Identifier'
      ? attribute(of, property.value as string)
      : item(of, whole(property.value as number));
  }
  if (property.type !== 'SliceExpression') return item(of, this.evaluate(property, environment));
  const bounds = [property.start, property.stop, property.step];
  return slice(
    of,
    bounds.map((bound) => bound && this.evaluate(bound, environment)),
  );
};

/** The callee of a call. */
interface Called extends Statement {
  type: 'Called';
  of: Statement;
}
interpreter.evaluateCallExpression = function (this: Internals, node, environment) {
  const callee: Called = { type: 'Called', of: node.callee };
  return evaluateCallExpression.call(this, { ...node, callee }, environment);
};
function called(this: Internals, callee: Statement, environment: Environment): Value {
  const value = used.call(this, callee, environment);
  if (isUndefined(value)) throw undefinedUsed(value);
  return value;
}

interpreter.applyFilter = function (this: Internals, operand, filter, environment) {
  if (!('callee' in filter)) return applyFilter(filter.value, operand, { positional: [], named: new Map() });
  const [positional, named] = this.evaluateArguments(filter.args, environment);
  const { value: name } = filter.callee;
  const test = testOf(name);
  if (test) return new Flag(passesTest(test.name, operand, { positional, named }) !== test.isNegated);
  return applyFilter(name, operand, { positional, named });
};

interpreter.evaluateTestExpression = function (this: Internals, { operand, test, negate }, environment) {
  const value = this.evaluate(operand, environment);
  return new Flag(passesTest(test.value, value, { positional: [], named: new Map() }) !== negate);
};

/** Statements that write nothing: the library evaluates them to its null. */
const SILENT = new Set(['Set', 'Macro', 'Comment', 'Break', 'Continue']);
interpreter.evaluateBlock = function (this: Internals, statements, environment) {
  step();
  let text = '';
  for (const statement of statements) {
    try {
      const value = this.evaluate(statement, environment);
      if (!SILENT.has(statement.type)) text += str(value);
    } catch (error) {
      if (isLoopControl(error)) error.written = text + (error.written ?? '');
      throw error;
    }
  }
  return new Text(text);
};

/** Assigns a value to the name or the names of a target. */
function assign(target: Target, value: Value, environment: Environment): void {
  if (target.type === 'Identifier') {
    environment.setVariable(target.value as string, value as never);
    return;
  }
  if (target.type !== 'TupleLiteral') throw new Error(`cannot assign to ${target.type}`);
  const [targets, items] = [target.value as Target[], iterate(value)];
  if (targets.length !== items.length) {
    throw new Error(`expected ${targets.length} values to unpack, but there are ${items.length}`);
  }
  for (const [i, each] of targets.entries()) assign(each, items[i], environment);
}

interpreter.evaluateSet = function (this: Internals, node, environment) {
  if (node.assignee.type !== 'TupleLiteral' || !node.value) return evaluateSet.call(this, node, environment);
  assign(node.assignee, this.evaluate(node.value, environment), environment);
  return new Nothing(null);
};

interpreter.evaluateFor = function (this: Internals, { loopvar, iterable, body, defaultBlock }, environment) {
  const { lhs, test } = iterable.type === 'SelectExpression' ? iterable : { lhs: iterable };
  // In Jinja, every iteration has variables of its own.
  const scopeOf = (value: Value) => {
    const scope = new Environment(environment);
    assign(loopvar, value, scope);
    return scope;
  };
  const all = iterate(used.call(this, lhs!, environment));
  const items = test ? all.filter((value) => truth(this.evaluate(test, scopeOf(value)))) : all;
  const changed = {};
  let text = '';
  // Jinja renders the else of a loop if every iteration ended early, too.
  let isComplete = false;
  for (const [index, value] of items.entries()) {
    const scope = scopeOf(value);
    scope.setVariable('loop', loopOf(items, index, changed) as never);
    try {
      text += str(this.evaluateBlock(body, scope));
      isComplete = true;
    } catch (error) {
      if (!isLoopControl(error)) throw error;
      text += error.written ?? '';
      if (error.constructor.name === 'BreakControl') break;
    }
    willMake(text.length);
  }
  return isComplete ? new Text(text) : new Text(text + str(this.evaluateBlock(defaultBlock, environment)));
};

/** In the library, a macro sees the variables of its caller. In Jinja, it sees those where it is defined, and `caller`. */
interpreter.evaluateMacro = function (this: Internals, node, environment) {
  const nothing = evaluateMacro.call(this, node, environment);
  const macro = environment.lookupVariable(node.name.value) as unknown as Value;
  const call = macro.value as (args: Value[], scope: Environment) => Value;
  const own = new Function((args, scope) => {
    const inner = new Environment(environment);
    const caller = (scope as Environment).variables.get('caller');
    if (caller) inner.setVariable('caller', caller);
    return call(args, inner);
  });
  environment.setVariable(node.name.value, own as never);
  return nothing;
};
