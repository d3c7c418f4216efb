/** Loops of Jinja: the variable `loop`, `break` and `continue`. */
import { functionOf } from './arguments.ts';
import { equal, Flag, Mapping, Missing, whole, type Value } from './values.ts';

/** Thrown by `break` and `continue`, with what the iteration wrote before. */
export type LoopControl = Error & { written?: string };

/** Whether an error of the library is a `break` or a `continue`. */
export const isLoopControl = (error: unknown): error is LoopControl =>
  error instanceof Error && ['BreakControl', 'ContinueControl'].includes(error.constructor.name);

/** The variable `loop`: an object with attributes, but no dictionary. */
class Loop extends Mapping {
  override type = 'LoopValue';
}

/** The variable `loop` of an iteration. @param changed what the loop's iterations share: the last arguments of `loop.changed()` */
export function loopOf(items: Value[], index: number, changed: { last?: Value[] }): Value {
  const attributes: [string, Value][] = [
    ['index', whole(index + 1)],
    ['index0', whole(index)],
    ['revindex', whole(items.length - index)],
    ['revindex0', whole(items.length - index - 1)],
    ['first', new Flag(index === 0)],
    ['last', new Flag(index === items.length - 1)],
    ['length', whole(items.length)],
    ['depth', whole(1)],
    ['depth0', whole(0)],
    ['previtem', items[index - 1] ?? new Missing('there is no previous item')],
    ['nextitem', items[index + 1] ?? new Missing('there is no next item')],
    [
      'cycle',
      functionOf(({ positional }) => {
        if (positional.length === 0) throw new Error('no items for cycling given');
        return positional[index % positional.length];
      }),
    ],
    [
      'changed',
      functionOf(({ positional }) => {
        const { last } = changed;
        changed.last = positional;
        return new Flag(last?.length !== positional.length || !positional.every((each, i) => equal(each, last[i])));
      }),
    ],
  ];
  return new Loop(new Map(attributes));
}
