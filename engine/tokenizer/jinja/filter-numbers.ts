/** Numbers in filters: Python's float(), int() and round(). */
import { fixed } from './format.ts';
import { strip } from './methods.ts';
import { isUndefined, numeric, Real, typeName, undefinedUsed, whole, type Value } from './values.ts';

/** Python's float() of a text; undefined if it is none. */
export function floatOf(text: string): number | undefined {
  const plain = strip(text, 'both').replaceAll(/(?<=\d)_(?=\d)/g, '');
  if (/^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(plain)) return Number(plain);
  const named = /^([+-]?)(inf|infinity|nan)$/i.exec(plain);
  if (!named) return undefined;
  if (named[2].toLowerCase() === 'nan') return NaN;
  return named[1] === '-' ? -Infinity : Infinity;
}

/** Python's int() of a float; undefined for NaN. */
function truncated(value: number): Value | undefined {
  if (Number.isNaN(value)) return undefined;
  if (!Number.isFinite(value)) throw new Error('cannot convert float infinity to integer');
  return whole(BigInt(Math.trunc(value)));
}

/** Python's int(); undefined for what is no number. @throws for infinity */
export function toInteger(value: Value): Value | undefined {
  if (isUndefined(value)) throw undefinedUsed(value);
  if (typeof value.value === 'string') {
    const plain = strip(value.value, 'both').replaceAll(/(?<=\d)_(?=\d)/g, '');
    if (/^[+-]?\d+$/.test(plain)) return whole(BigInt(plain.replace(/^\+/, '')));
    const float = floatOf(value.value);
    return float === undefined || !Number.isFinite(float) ? undefined : truncated(float);
  }
  const number = numeric(value);
  if (number === undefined) return undefined;
  return typeof number === 'number' ? truncated(number) : whole(number);
}

/** Python's round(), or Jinja's methods `ceil` and `floor`. @throws for what is no number */
export function rounded(value: Value, precision: number, method: string): Value {
  const number = numeric(value);
  if (isUndefined(value)) throw undefinedUsed(value);
  if (number === undefined) throw new Error(`type ${typeName(value)} doesn't define __round__ method`);
  if (!['common', 'ceil', 'floor'].includes(method)) throw new Error('method must be common, ceil or floor');
  if (precision < 0) throw new Error('a negative precision is not supported');
  if (method !== 'common') {
    const scale = 10 ** precision;
    return new Real((method === 'ceil' ? Math.ceil : Math.floor)(Number(number) * scale) / scale);
  }
  if (value.type !== 'FloatValue') return whole(number);
  const size = Number(fixed(Number(number), precision));
  return new Real(Number(number) < 0 || Object.is(number, -0) ? -size : size);
}
