/** Python's formatting of texts: `'%s' % value` and `'{}'.format(value)`. */
import { willMake } from './limits.ts';
import { isUndefined, numeric, repr, str, Text, typeName, undefinedUsed, whole, type Value } from './values.ts';

interface Spec {
  fill: string;
  align: '<' | '>' | '^' | '=';
  /** Before a number that is not negative. */
  sign: '' | '+' | ' ';
  /** Whether hexadecimal and octal numbers get a prefix. */
  prefix: boolean;
  width: number;
  grouping: string;
  precision: number | undefined;
  type: string;
}

const PLAIN: Spec = {
  fill: ' ',
  align: '>',
  sign: '',
  prefix: false,
  width: 0,
  grouping: '',
  precision: undefined,
  type: '',
};

/** Digits after the point, at most: those of JavaScript. */
const MAX_PRECISION = 100;

function padded(text: string, { fill, align, width }: Spec, sign = ''): string {
  const missing = width - [...sign, ...text].length;
  if (missing <= 0) return sign + text;
  willMake(missing);
  const left = align === '<' ? 0 : align === '^' ? Math.floor(missing / 2) : missing;
  const pad = fill.repeat(left);
  return align === '=' ? sign + pad + text : pad + sign + text + fill.repeat(missing - left);
}

/** A number with a fixed number of digits after the point. Python rounds to even where the number is exactly between two. */
export function fixed(value: number, precision: number): string {
  if (precision > MAX_PRECISION) throw new Error(`a precision above ${MAX_PRECISION} is not supported`);
  const size = Math.abs(value);
  if (size >= 1e21) return BigInt(size).toString() + (precision > 0 ? `.${'0'.repeat(precision)}` : '');
  const exact = size.toFixed(MAX_PRECISION);
  const end = exact.length - MAX_PRECISION + precision;
  const down = precision === 0 ? exact.slice(0, end - 1) : exact.slice(0, end);
  const isTie = /^50*$/.test(exact.slice(end));
  return isTie && /[02468]$/.test(down) ? down : size.toFixed(precision);
}

/** The digits of a float that is not negative, as `e`, `f`, `g` and `%` write them. */
function digitsOf(value: number, type: string, precision: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'nan' : 'inf';
  const exponential = (digits: number) => value.toExponential(digits).replace(/(?<=e[+-])\d$/, '0$&');
  switch (type) {
    case 'f':
      return fixed(value, precision);
    case '%':
      return `${fixed(value * 100, precision)}%`;
    case 'e':
      return exponential(precision);
    default: {
      const digits = Math.max(1, precision);
      const exponent = value === 0 ? 0 : Number(value.toExponential(digits - 1).split('e')[1]);
      const text = exponent < -4 || exponent >= digits ? exponential(digits - 1) : fixed(value, digits - 1 - exponent);
      return text.replace(/(\.\d*?)0+(?=e|$)/, '$1').replace(/\.(?=e|$)/, '');
    }
  }
}

const RADIX: Record<string, [radix: number, prefix: string]> = { x: [16, '0x'], o: [8, '0o'], b: [2, '0b'] };

/** A number by a specification. */
function formatNumber(given: number | bigint, spec: Spec): string {
  const kind = spec.type.toLowerCase();
  const isNegative = given < 0 || Object.is(given, -0);
  const size = given < 0 ? -given : given;
  let digits: string;
  if (RADIX[kind]) {
    const [radix, prefix] = RADIX[kind];
    digits = (spec.prefix ? prefix : '') + BigInt(size).toString(radix);
  } else if (kind === 'd') digits = String(size);
  else digits = digitsOf(Number(size), kind, spec.precision ?? 6);
  if (spec.grouping !== '') digits = digits.replace(/^\d+/, (all) => grouped(all, spec.grouping));
  if (spec.type !== kind) digits = digits.toUpperCase();
  return padded(digits, spec, isNegative ? '-' : spec.sign);
}

const grouped = (digits: string, separator: string) => digits.replaceAll(/\B(?=(\d{3})+$)/g, separator);

const DIRECTIVE = /%(?:\(([^)]*)\))?([-+ #0]*)(\*|\d*)(?:\.(\*|\d*))?[hlL]?([^]?)/gu;

/** Python's `text % values`. @throws as Python does */
export function percent(text: string, values: Value): string {
  const list = values.type === 'TupleValue' ? (values.value as Value[]) : [values];
  let used = 0;
  const next = (): Value => {
    if (used === list.length) throw new Error('not enough arguments for format string');
    return list[used++];
  };
  const size = (given: string | undefined): number | undefined =>
    given === undefined ? undefined : given === '*' ? Number(numberOf(next())) : Number(given);
  const written = text.replaceAll(
    DIRECTIVE,
    (_, key: string | undefined, flags: string, width: string, precision: string | undefined, type: string) => {
      if (type === '') throw new Error('incomplete format');
      if (type === '%') return '%';
      if (key !== undefined) used = list.length;
      const spec: Spec = {
        ...PLAIN,
        align: flags.includes('-') ? '<' : '>',
        sign: flags.includes('+') ? '+' : flags.includes(' ') ? ' ' : '',
        prefix: flags.includes('#'),
        width: size(width)!,
        precision: size(precision),
        type,
      };
      const value = key === undefined ? next() : named(values, key);
      const zeros = flags.includes('0') && spec.align === '>' ? { fill: '0', align: '=' as const } : {};
      switch (type) {
        case 's':
          return padded(cut(str(value), spec.precision), spec);
        case 'r':
          return padded(cut(repr(value), spec.precision), spec);
        case 'c':
          return padded(characterOf(value), spec);
        case 'd':
        case 'i':
        case 'u': {
          const number = numberOf(value);
          const truncated = typeof number === 'number' ? BigInt(Math.trunc(number)) : number;
          return formatNumber(truncated, { ...spec, ...zeros, type: 'd' });
        }
        case 'x':
        case 'X':
        case 'o': {
          if (value.type === 'FloatValue') throw new Error(`%${type} format: an integer is required, not float`);
          return formatNumber(numberOf(value), { ...spec, ...zeros });
        }
        case 'e':
        case 'E':
        case 'f':
        case 'F':
        case 'g':
        case 'G':
          return formatNumber(Number(numberOf(value)), { ...spec, ...zeros });
        default:
          throw new Error(`unsupported format character '${type}'`);
      }
    },
  );
  const isMapping = values.type === 'ObjectValue' || values.type === 'ArrayValue';
  if (used < list.length && !isMapping) throw new Error('not all arguments converted during string formatting');
  return written;
}

const cut = (text: string, length: number | undefined): string =>
  length === undefined ? text : [...text].slice(0, length).join('');

function named(values: Value, key: string): Value {
  if (values.type !== 'ObjectValue') throw new Error('format requires a mapping');
  const value = (values.value as Map<string, Value>).get(key);
  if (value === undefined) throw new Error(`KeyError: '${key}'`);
  return value;
}

function numberOf(value: Value): number | bigint {
  if (isUndefined(value)) throw undefinedUsed(value);
  const number = numeric(value);
  if (number === undefined) throw new Error(`a number is required, not ${typeName(value)}`);
  return number;
}

function characterOf(value: Value): string {
  if (typeof value.value === 'string' && [...value.value].length === 1) return value.value;
  return String.fromCodePoint(Number(numberOf(value)));
}

const FIELD = /\{\{|\}\}|\{([^{}!:]*)(?:!([rsa]))?(?::([^{}]*))?\}|[{}]/g;

/**
 * Python's `text.format(…)`.
 * @param lookUp gives an attribute or an item of a value
 * @throws as Python does, and for a specification with fields in it
 */
export function format(
  text: string,
  positional: Value[],
  keywords: Map<string, Value>,
  lookUp: { attribute(value: Value, name: string): Value; item(value: Value, key: Value): Value },
): string {
  let next = 0;
  return text.replaceAll(FIELD, (part, field: string | undefined, conversion: string | undefined, spec = '') => {
    if (part === '{{' || part === '}}') return part[0];
    if (field === undefined) throw new Error(`Single '${part}' encountered in format string`);
    const [first, ...path] = field.split(/(?=[.[])/);
    const name = first === '' ? String(next++) : first;
    let value = /^\d+$/.test(name) ? positional[Number(name)] : keywords.get(name);
    if (value === undefined) throw new Error(`format() has no argument '${name}'`);
    for (const step of path) {
      const key = step.startsWith('[') ? step.slice(1, -1) : step.slice(1);
      if (step.startsWith('.')) value = lookUp.attribute(value, key);
      else value = lookUp.item(value, /^\d+$/.test(key) ? whole(Number(key)) : new Text(key));
      if (isUndefined(value)) throw undefinedUsed(value);
    }
    if (conversion !== undefined) return byText(conversion === 's' ? str(value) : repr(value), spec);
    return formatted(value, spec);
  });
}

const SPEC = /^(?:([^])?([<>=^]))?([-+ ])?(#)?(0)?(\d+)?([,_])?(?:\.(\d+))?([a-zA-Z%])?$/u;

function parseSpec(given: string, defaults: Partial<Spec>): Spec {
  const found = SPEC.exec(given);
  if (!found) throw new Error(`Invalid format specifier '${given}'`);
  const [, fill, align, sign, prefix, zero, width, grouping, precision, type] = found;
  return {
    ...PLAIN,
    ...defaults,
    ...(zero !== undefined && { fill: '0', ...(defaults.align === '>' && { align: '=' as const }) }),
    ...(fill !== undefined && { fill }),
    ...(align !== undefined && { align: align as Spec['align'] }),
    sign: sign === '+' || sign === ' ' ? sign : '',
    prefix: prefix !== undefined,
    width: Number(width ?? 0),
    grouping: grouping ?? '',
    precision: precision === undefined ? undefined : Number(precision),
    type: type ?? '',
  };
}

function byText(text: string, given: string): string {
  const spec = parseSpec(given, { align: '<' });
  if (spec.sign !== '' || spec.grouping !== '' || spec.align === '=' || !['', 's'].includes(spec.type)) {
    throw new Error(`Invalid format specifier '${given}' for a text`);
  }
  return padded(cut(text, spec.precision), spec);
}

/** Python's format(value, spec). */
function formatted(value: Value, given: string): string {
  if (given === '') return str(value);
  if (typeof value.value === 'string') return byText(value.value, given);
  const number = numeric(value);
  if (number === undefined) {
    throw new Error(`unsupported format string passed to ${typeName(value)}.__format__`);
  }
  const spec = parseSpec(given, { align: '>' });
  const isFloat = value.type === 'FloatValue';
  if (spec.type === '' && isFloat) {
    if (spec.precision !== undefined)
      throw new Error(`the format specifier '${given}' is not supported: add f, e or g`);
    const isNegative = Number(number) < 0 || Object.is(number, -0);
    return padded(str(value).replace(/^-/, ''), spec, isNegative ? '-' : spec.sign);
  }
  const type = spec.type === '' ? 'd' : spec.type;
  if (!/^[dxXob]$/.test(type) ? !/^[eEfFgG%]$/.test(type) : isFloat || spec.precision !== undefined) {
    throw new Error(`Unknown format code '${type}' for object of type '${typeName(value)}'`);
  }
  return formatNumber(number, { ...spec, type });
}
