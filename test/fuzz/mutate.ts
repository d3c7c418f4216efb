/** What goes wrong with a file: bytes that are lost, changed, or put where they do not belong. */
import { withWrongValue } from './json-values.ts';
import type { Parser } from './parser.ts';
import { Random } from './random.ts';

type Mutation = (bytes: Buffer, random: Random) => Buffer;

const LONGEST_PIECE = 64;

/** A random range of the bytes, which may be empty. */
function rangeOf(bytes: Buffer, random: Random, longest = LONGEST_PIECE): [start: number, end: number] {
  const start = random.below(bytes.length + 1);
  return [start, Math.min(bytes.length, start + random.below(longest + 1))];
}

function insert(bytes: Buffer, random: Random, piece: string | Buffer): Buffer {
  const at = random.below(bytes.length + 1);
  return Buffer.concat([bytes.subarray(0, at), Buffer.from(piece), bytes.subarray(at)]);
}

/** A place where the bytes match, replaced. */
function replaceOne(bytes: Buffer, random: Random, pattern: RegExp, piece: string): Buffer {
  const places = [...bytes.toString('latin1').matchAll(pattern)];
  if (places.length === 0) return insert(bytes, random, piece);
  const { 0: found, index } = random.of(places);
  return Buffer.concat([bytes.subarray(0, index), Buffer.from(piece), bytes.subarray(index + found.length)]);
}

const HUGE_NUMBERS = [
  '99999999999999999999',
  '1e308',
  '1e999',
  '-1',
  '2147483648',
  '4294967296',
  '9007199254740993',
  '100000000',
  '0.1',
];
const DEPTHS = [40, 300, 5000, 100_000];
const NESTED = [
  ['[', ']'],
  ['{"a":', '}'],
  ['(', ')'],
  ['- ', ''],
  ['{% if 1 %}', '{% endif %}'],
  ['{{ ', ' }}'],
];
/** Texts that mean something to one of the parsers, or to what shows errors. */
const WORDS = [
  'null',
  'true',
  '""',
  '{}',
  '[]',
  ',',
  ':',
  '\\',
  '"',
  "'",
  '\n',
  '\r\n',
  '\t',
  '\u001b[31m',
  '\ufeff',
  '\u2028',
  '\\ud800',
  '__proto__',
  'constructor',
  '../../../etc/passwd',
  '&a [*a]',
  '*a',
  '<<: *a',
  '!!binary x',
  '%s',
  '${x}',
  '[[A]]',
  '####',
  '<think>',
  '(a+)+$',
  '{% for',
  '%}',
  '{{',
  '}}',
  '{#',
  'NaN',
  '-Infinity',
  '0x10',
  '[table]',
];

const repeated = (text: string, random: Random) => text.repeat(random.of([100, 3000, 30_000]));

const mutations: Mutation[] = [
  (bytes, random) => bytes.subarray(0, random.below(bytes.length + 1)),
  (bytes, random) => bytes.subarray(random.below(bytes.length + 1)),
  flipBits,
  flipBits,
  // Deletes a piece, or twice writes one.
  (bytes, random) => {
    const [start, end] = rangeOf(bytes, random);
    return Buffer.concat([bytes.subarray(0, start), bytes.subarray(end)]);
  },
  (bytes, random) => {
    const [start, end] = rangeOf(bytes, random, 1024);
    return Buffer.concat([bytes.subarray(0, end), bytes.subarray(start)]);
  },
  // Moves a piece to another place.
  (bytes, random) => insert(bytes, random, bytes.subarray(...rangeOf(bytes, random))),
  (bytes, random) => insert(bytes, random, Buffer.alloc(1 + random.below(LONGEST_PIECE))),
  (bytes, random) =>
    insert(bytes, random, Buffer.from(Array.from({ length: 1 + random.below(8) }, () => 0x80 + random.below(0x80)))),
  (bytes, random) => {
    const copy = Buffer.from(bytes);
    copy.fill(random.of([0, 0xff, 0x55]), ...rangeOf(bytes, random));
    return copy;
  },
  (bytes, random) => replaceOne(bytes, random, /\d+/g, random.of(HUGE_NUMBERS)),
  (bytes, random) => replaceOne(bytes, random, /"[^"]*"/g, random.of(HUGE_NUMBERS)),
  (bytes, random) => replaceOne(bytes, random, /\w+/g, random.of(WORDS)),
  (bytes, random) => insert(bytes, random, random.of(WORDS)),
  (bytes, random) => {
    const [open, close] = random.of(NESTED);
    const depth = random.of(DEPTHS);
    return replaceOne(
      bytes,
      random,
      /"[^"]*"|\d+/g,
      open.repeat(depth) + (random.chance(0.5) ? `1${close.repeat(depth)}` : ''),
    );
  },
  (bytes, random) => replaceOne(bytes, random, /\w+/g, repeated(random.of(['x', ' ', '\n', '💥', '"x",']), random)),
  (_, random) =>
    random.of([
      Buffer.alloc(0),
      Buffer.alloc(1 + random.below(100)),
      Buffer.from('null'),
      Buffer.from('7'),
      Buffer.from('[]'),
      Buffer.from('{}'),
      Buffer.from(' \n'),
    ]),
];

function flipBits(bytes: Buffer, random: Random): Buffer {
  const copy = Buffer.from(bytes);
  for (let flips = 1 + random.below(4); flips > 0 && copy.length > 0; flips--) {
    copy[random.below(copy.length)] ^= 1 << random.below(8);
  }
  return copy;
}

/** The input of a case: one that the parser takes, with one to three things wrong. */
export function inputOf({ form, inputs }: Pick<Parser, 'form' | 'inputs'>, seed: number, name: string): Buffer {
  const random = new Random(seed, name);
  let bytes = Buffer.from(random.of(inputs));
  for (let changes = 1 + random.below(3); changes > 0; changes--) {
    const isJson = form === 'json' || form === 'lines';
    const change = isJson && random.chance(0.5) ? wrongValue : random.of(mutations);
    bytes = Buffer.from(change(bytes, random));
  }
  return bytes;

  function wrongValue(text: Buffer): Buffer {
    return Buffer.from(withWrongValue(text.toString('utf8'), form === 'lines', random));
  }
}
