/** The tests of Jinja 3.1 (`x is test`), as transformers configures it. */
import { isLower, isUpper } from '../../../ports/python.ts';
import { type Arguments } from './arguments.ts';
import { contains, operate } from './operators.ts';
import { equal, isUndefined, Nothing, str, truth, whole, type Value } from './values.ts';

type Test = (value: Value, other: Value, isFilter: (name: string) => boolean) => boolean;

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
  filter: ({ value }, _, isFilter) => typeof value === 'string' && isFilter(value),
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

/**
 * @param isFilter whether there is a filter of a name, which the test `filter` asks
 * @returns whether a value passes a test; throws for a test that does not exist, and as Python does
 */
export const testsWith =
  (isFilter: (name: string) => boolean) =>
  (name: string, value: Value, { positional, named }: Arguments): boolean => {
    if (!Object.hasOwn(TESTS, name)) throw new Error(`No test named '${name}'.`);
    const expected = TESTS_WITH_ARGUMENT.test(name) ? 1 : 0;
    if (named.size > 0 || positional.length !== expected) {
      throw new Error(
        `the test '${name}' takes ${expected} arguments, but ${positional.length + named.size} are given`,
      );
    }
    return TESTS[name](value, positional[0], isFilter);
  };
