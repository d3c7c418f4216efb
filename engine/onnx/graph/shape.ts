/** Arithmetic on shapes whose sizes may be names. */

/**
 * A dimension: a size, or the name of one that is known at run time. A name may be a product or a sum of others, as in
 * `G*S` (a batch of G sequences flattened) or `P+R` (two blocks of keys side by side).
 */
export type Dim = number | string;
export type Shape = readonly Dim[];

export const format = (shape: Shape): string => `[${shape.join(', ')}]`;

/** The shape of an elementwise operator's result, by numpy's broadcasting rules; names match only themselves and 1. */
export function broadcast(operator: string, a: Shape, b: Shape): Dim[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const x = a[a.length - rank + i] ?? 1;
    const y = b[b.length - rank + i] ?? 1;
    if (x === y || y === 1) return x;
    if (x === 1) return y;
    throw new Error(`${operator}: ${format(a)} and ${format(b)} do not broadcast`);
  });
}

/** A shape's number of elements in a canonical form: the product of its sizes, and its names in order. */
export function elements(shape: Shape): { size: number; names: string } {
  let size = 1;
  const names: string[] = [];
  for (const dim of shape) {
    if (typeof dim === 'number') {
      size *= dim;
      continue;
    }
    // A sum is one factor; products are split.
    for (const factor of dim.includes('+') ? [dim] : dim.split('*')) {
      if (Number.isNaN(Number(factor))) names.push(factor);
      else size *= Number(factor);
    }
  }
  return { size, names: names.sort().join('*') };
}

/** The product of dimensions as one dimension: `product(['G', 'S'])` is 'G*S', `product([2, 3])` is 6. */
export function product(shape: Shape): Dim {
  const { size, names } = elements(shape);
  if (!names) return size;
  return size === 1 ? names : `${size}*${names}`;
}

/** The sum of dimensions as one dimension: its names in order, then what is known. */
export function sum(dims: Dim[]): Dim {
  const terms = dims.flatMap((dim) => String(dim).split('+'));
  const names = terms.filter((term) => Number.isNaN(Number(term))).sort();
  const size = terms.reduce((total, term) => total + (Number(term) || 0), 0);
  if (names.length === 0) return size;
  return [...names, ...(size > 0 ? [size] : [])].join('+');
}

/** An axis counted from the front. */
export function axisOf(operator: string, shape: Shape, axis: number): number {
  const index = axis < 0 ? axis + shape.length : axis;
  if (index < 0 || index >= shape.length) throw new Error(`${operator}: ${format(shape)} has no axis ${axis}`);
  return index;
}
