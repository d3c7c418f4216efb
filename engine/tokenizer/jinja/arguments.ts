/** Arguments of filters, tests and methods, assigned to their parameters as in Python. */
import { Function, truth, type Value } from './values.ts';

export interface Arguments {
  positional: Value[];
  named: Map<string, Value>;
}

/** The arguments in the order of the parameters. @throws for an argument that none of the parameters takes */
export function bind(
  name: string,
  parameters: readonly string[],
  { positional, named }: Arguments,
): (Value | undefined)[] {
  if (positional.length > parameters.length) {
    throw new Error(`${name}() takes at most ${parameters.length} arguments, but ${positional.length} are given`);
  }
  const bound: (Value | undefined)[] = parameters.map((_, i) => positional[i]);
  for (const [key, value] of named) {
    const at = parameters.indexOf(key);
    if (at < 0) throw new Error(`${name}() got an unexpected keyword argument '${key}'`);
    if (bound[at]) throw new Error(`${name}() got multiple values for argument '${key}'`);
    bound[at] = value;
  }
  return bound;
}

/** A function of templates. The library gives its keyword arguments as the last argument. */
export const functionOf = (call: (given: Arguments) => Value): Value =>
  new Function((given) => {
    const last = given.at(-1);
    if (last?.type !== 'KeywordArgumentsValue') return call({ positional: given, named: new Map() });
    return call({ positional: given.slice(0, -1), named: last.value as Arguments['named'] });
  });

/** The integer of an argument. @throws when it is none */
export function integer(value: Value | undefined, otherwise: number): number {
  if (value === undefined || value.type === 'NullValue') return otherwise;
  if (value.type !== 'IntegerValue' && value.type !== 'BooleanValue') throw new Error('an argument must be an integer');
  return Number(value.value);
}

/** An argument of a filter. */
export type Given = Value | undefined;

/** Whether an argument is given, and is not none. */
export const isGiven = (value: Given): value is Value => value !== undefined && value.type !== 'NullValue';

/** Whether an argument is given and true. */
export const flag = (value: Given): boolean => value !== undefined && truth(value);

/** @throws for an argument that is not given */
export const required = (value: Given, name: string): Value => {
  if (value === undefined) throw new Error(`the argument '${name}' is missing`);
  return value;
};
