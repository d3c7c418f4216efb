/** Items of sequences, as filters sort, group and divide them. */
import { isGiven, required, type Given } from './arguments.ts';
import { willMake } from './limits.ts';
import { Group, item } from './operators.ts';
import {
  compare,
  equal,
  isUndefined,
  iterate,
  List,
  Missing,
  numeric,
  Text,
  typeName,
  whole,
  type Value,
} from './values.ts';

/** A copy of a value's items. */
export const listOf = (value: Value): Value[] => [...iterate(value)];

/** The first item; an undefined value that says so if there is none. @param what the name of the item, for this message */
export const first = (items: Value[], what: string): Value =>
  items[0] ?? new Missing(`No ${what}, sequence was empty.`);

/** Gives the attribute of an item: a path such as `function.name` or `items.0`, or a key. The item itself if there is no attribute. */
export function getter(attribute: Given, isCaseSensitive = true, otherwise?: Given): (of: Value) => Value {
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
export function sorted(items: Value[], keyOf: (of: Value) => Value, isReversed = false): Value[] {
  const keyed = items.map((of) => ({ of, key: keyOf(of) }));
  keyed.sort((a, b) => (isReversed ? compare(b.key, a.key) : compare(a.key, b.key)));
  return keyed.map(({ of }) => of);
}

/** The items in lists of a size. */
export function batches(items: Value[], size: number, fill: Given): Value[] {
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
export function slices(items: Value[], number: number, fill: Given): Value[] {
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

/** The items in groups of the same attribute, in its order, as `groupby` does. */
export function grouped(value: Value, attribute: Given, otherwise: Given, isCaseSensitive: boolean): Value {
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

/** The items without those whose key an earlier item has. @throws for a key that Python cannot hash */
export function unique(items: Value[], keyOf: (of: Value) => Value): Value[] {
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
