import {
  closeSync,
  cpSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { freemem } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { InputError } from '../../../data/errors.ts';
import { openSafetensors, readTensorF32, writeSafetensors } from '../../../engine/model-files/safetensors.ts';
import { openModelWeights } from '../../../engine/model-files/weights.ts';
import { temporaryFolder } from '../../temporary.ts';
import { fixture, readJson } from '../reference-case.ts';

const folder = temporaryFolder();
const tensors = fixture('model/tensors.safetensors');

/** A file of a header as given and `bytes` zeros. */
function write(name: string, header: unknown, bytes: number): string {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const file = join(folder, name);
  writeFileSync(file, Buffer.concat([length, text, Buffer.alloc(bytes)]));
  return file;
}

const entry = { dtype: 'F32', shape: [2, 2], data_offsets: [0, 16] };

test("every number of float32, float16 and bfloat16 is PyTorch's, to the bit", () => {
  const bits = readJson<Record<string, number[]>>(fixture('model/tensors.json'));
  const entries = openSafetensors(tensors);
  expect([...entries.keys()].sort()).toEqual(['BF16', 'F16', 'F32']);
  for (const [name, expected] of Object.entries(bits)) {
    const found = entries.get(name)!;
    expect(found.shape).toEqual([3, 4]);
    const numbers = Float32Array.from(readTensorF32(found));
    expect([...new Int32Array(numbers.buffer)], name).toEqual(expected);
  }
});

test('weights in shards are those of one file', () => {
  const whole = openModelWeights(fixture('reference/llama/model'));
  const sharded = openModelWeights(fixture('model/sharded'));
  expect(new Set([...sharded.values()].map(({ file }) => file)).size).toBe(3);
  expect([...sharded.keys()].sort()).toEqual([...whole.keys()].sort());
  for (const [name, place] of whole) expect(readTensorF32(sharded.get(name)!), name).toEqual(readTensorF32(place));
});

test('a file is written as the reference implementation writes it', () => {
  // All of it is float32, as what selm writes.
  const original = fixture('model/merged.safetensors');
  const copy = join(folder, 'copy.safetensors');
  const all = [...openSafetensors(original).values()].toReversed();
  writeSafetensors(
    copy,
    all.map((place) => ({ name: place.name, dtype: 'F32', shape: place.shape, data: readTensorF32(place) })),
  );
  expect(readFileSync(copy).equals(readFileSync(original))).toBe(true);
});

test.runIf(freemem() > 8e9)('a tensor of more than 2 GiB, which Node does not read at once, is read', () => {
  const [file, elements] = [join(folder, 'large.safetensors'), 2 ** 29 + 1];
  const size = 4 * elements;
  write('large.safetensors', { w: { dtype: 'F32', shape: [elements], data_offsets: [0, size] } }, 0);
  // A sparse file of zeros, and the last element.
  const one = Buffer.alloc(4);
  one.writeFloatLE(1);
  const fd = openSync(file, 'r+');
  writeSync(fd, one, 0, 4, statSync(file).size + size - 4);
  closeSync(fd);
  const values = readTensorF32(openSafetensors(file).get('w')!);
  expect([values.length, values[0], values.at(-1)]).toEqual([elements, 0, 1]);
});

describe('a damaged file is refused in one sentence that names it:', () => {
  const cases: [string, () => string, RegExp][] = [
    ['missing', () => join(folder, 'nowhere.safetensors'), /does not exist: download the complete model/],
    ['empty', () => write('empty', '', 0), /header is no JSON object/],
    ['a header that is no object', () => write('list', '[1]', 0), /header is no JSON object/],
    [
      'a header longer than the file',
      () => {
        const file = write('short', { a: entry }, 16);
        truncateSync(file, 20);
        return file;
      },
      /claims \d+ bytes of a file of 20/,
    ],
    ['a header that is not JSON', () => write('text', '{"a": ', 16), /header is no JSON object/],
    ['an entry that is no object', () => write('null', { a: null }, 16), /"a"/],
    ['an entry without a shape', () => write('shapeless', { a: { dtype: 'F32', data_offsets: [0, 16] } }, 16), /"a"/],
    ['a shape that is no list', () => write('shape', { a: { ...entry, shape: 4 } }, 16), /"a"/],
    ['a negative dimension', () => write('negative', { a: { ...entry, shape: [-2, -2] } }, 16), /"a"/],
    ['an entry without offsets', () => write('placeless', { a: { dtype: 'F32', shape: [2, 2] } }, 16), /"a"/],
    [
      'offsets beyond the file',
      () => write('beyond', { a: { ...entry, data_offsets: [16, 32] } }, 16),
      /claims bytes 16 to 32, not 0 to 16/,
    ],
    [
      'a shape that does not fit its bytes',
      () => write('fit', { a: { ...entry, shape: [3, 2] } }, 16),
      /claims bytes 0 to 16, not 0 to 24/,
    ],
    [
      'an unknown type',
      () => write('type', { a: { ...entry, dtype: 'F8_E4M3' } }, 16),
      /tensor "a" is F8_E4M3, which is not supported/,
    ],
    [
      'tensors that overlap',
      () => write('overlap', { a: entry, b: { ...entry, data_offsets: [8, 24] } }, 24),
      /tensor "b"/,
    ],
    ['a file cut short', () => write('cut', { a: entry }, 12), /tensors end at byte \d+, the file at \d+/],
  ];

  test.each(cases)('%s', (_, make, problem) => {
    const file = make();
    const open = () => openSafetensors(file);
    expect(open).toThrow(InputError);
    expect(open).toThrow(problem);
    expect(open).toThrow(file);
  });

  test('an index that names a tensor its shard does not hold, or is not JSON', () => {
    const sharded = join(folder, 'sharded');
    mkdirSync(sharded);
    cpSync(fixture('model/sharded'), sharded, { recursive: true });
    const index = join(sharded, 'model.safetensors.index.json');
    const content = readJson<{ weight_map: Record<string, string> }>(index);
    writeFileSync(
      index,
      JSON.stringify({ weight_map: { ...content.weight_map, extra: 'model-00001-of-00003.safetensors' } }),
    );
    expect(() => openModelWeights(sharded)).toThrow(
      new InputError(
        `${index} says that model-00001-of-00003.safetensors holds "extra", but it does not: download the model again.`,
      ),
    );
    // A file that is there, so that nothing but its place can be refused.
    cpSync(join(sharded, 'model-00001-of-00003.safetensors'), join(folder, 'outside.safetensors'));
    for (const outside of [
      '../outside.safetensors',
      'x/../../outside.safetensors',
      join(folder, 'outside.safetensors'),
    ]) {
      writeFileSync(index, JSON.stringify({ weight_map: { ...content.weight_map, extra: outside } }));
      expect(() => openModelWeights(sharded)).toThrow(
        new InputError(
          `${index} names the file "${outside}", which is outside the model's folder: download the model from a source that you trust.`,
        ),
      );
    }
    writeFileSync(index, '{"weight_map"');
    expect(() => openModelWeights(sharded)).toThrow(InputError);
    writeFileSync(index, '{}');
    expect(() => openModelWeights(sharded)).toThrow(InputError);
  });
});
