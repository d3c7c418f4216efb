/** Shapes whose dimensions may be symbolic, and arithmetic on them. */

/**
 * One dimension of a tensor.
 *
 * A number is a size that is known when the graph is built. A string is a symbolic dimension, a size that is known when the
 * graph runs: the name of an axis of some input (`S`), or a polynomial in such names:
 *
 * - `G*S`: two axes flattened into one (reshape);
 * - `P+R`: two blocks side by side (concat);
 * - `2*G*S+1`: both.
 *
 * A polynomial is always written in its canonical form: the names within a term sorted, equal terms added up, the terms sorted,
 * the constant last, no spaces. So two dimensions are equal exactly when they are `===`. Never build such a string by hand from
 * other dimensions: product() and sum() return canonical ones.
 *
 * sizeOf() in ops/size.ts appends the operators that compute a symbolic dimension's size at run time.
 */
export type Dim = number | string;

/** The dimensions of a tensor, outermost first; `[]` is a scalar. */
export type Shape = readonly Dim[];

/** One term of a dimension: `factor` times the product of `names`. `2*G*S` is { factor: 2, names: ['G', 'S'] }. */
export interface Term {
  factor: number;
  names: string[];
}

const isNumber = (factor: string) => /^\d+$/.test(factor);

/** The terms of a dimension in canonical order; none for 0. */
export function terms(dim: Dim): Term[] {
  if (typeof dim === 'number') return dim === 0 ? [] : [{ factor: dim, names: [] }];
  return dim.split('+').map((term) => {
    const factors = term.split('*');
    return {
      factor: factors.filter(isNumber).reduce((result, factor) => result * Number(factor), 1),
      names: factors.filter((factor) => !isNumber(factor)),
    };
  });
}

/** The canonical form of the sum of `all`. */
function canonical(all: Term[]): Dim {
  const factors = new Map<string, number>();
  for (const { factor, names } of all) {
    const key = names.toSorted().join('*');
    factors.set(key, (factors.get(key) ?? 0) + factor);
  }
  const constant = factors.get('') ?? 0;
  factors.delete('');
  if (factors.size === 0) return constant;
  const symbolic = [...factors.keys()]
    .sort()
    .map((key) => (factors.get(key) === 1 ? key : `${factors.get(key)}*${key}`));
  return [...symbolic, ...(constant > 0 ? [constant] : [])].join('+');
}

/** The product of dimensions: `product(['S', 'G'])` is `G*S`, `product([2, 3])` is 6. It is a shape's number of elements. */
export function product(shape: Shape): Dim {
  const one: Term = { factor: 1, names: [] };
  const times = (a: Term, b: Term): Term => ({ factor: a.factor * b.factor, names: [...a.names, ...b.names] });
  return canonical(shape.reduce<Term[]>((all, dim) => all.flatMap((a) => terms(dim).map((b) => times(a, b))), [one]));
}

/** The sum of dimensions: `sum(['R', 'P', 1])` is `P+R+1`, `sum([2, 3])` is 5. */
export const sum = (dims: Dim[]): Dim => canonical(dims.flatMap(terms));

/** A shape as error messages show it: `[G*S, 64]`. */
export const format = (shape: Shape): string => `[${shape.join(', ')}]`;

/**
 * The shape of an elementwise operator's result, by NumPy's broadcasting rules. A symbolic dimension matches itself and 1.
 * @param operator named in the error message
 * @throws Error when the shapes do not broadcast
 */
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

/**
 * The index of an axis. A negative `axis` counts from the last axis, -1.
 * @param operator named in the error message
 * @throws Error when the shape has no such axis
 */
export function axisOf(operator: string, shape: Shape, axis: number): number {
  const index = axis < 0 ? axis + shape.length : axis;
  if (index < 0 || index >= shape.length) throw new Error(`${operator}: ${format(shape)} has no axis ${axis}`);
  return index;
}
