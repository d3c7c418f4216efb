/** The safetensors format: reads and checks headers, reads single tensors, writes files atomically. */
import { closeSync, fstatSync, fsyncSync, ftruncateSync, openSync, readSync, renameSync, writeSync } from 'node:fs';
import { z } from 'zod';
import { InputError } from '../../data/errors.ts';
import { exists, readFailure } from '../../data/file-errors.ts';
import { jsonOf } from '../../data/json.ts';

/** Where a tensor's bytes are. */
export interface TensorEntry {
  name: string;
  dtype: Dtype;
  shape: number[];
  file: string;
  /** From the start of the file, in bytes. */
  offset: number;
  length: number;
}

const bytesPerElement = { F32: 4, F16: 2, BF16: 2 } as const;
type Dtype = keyof typeof bytesPerElement;

/**
 * Attention masks, which older versions of transformers saved as buffers (Pythia's files have them) and newer ones ignore: their names,
 * and bytes per element of their types.
 */
const MASK = /\.(attn|attention)\.bias$/;
const bytesPerMaskElement = { BOOL: 1, U8: 1 } as const;

const LENGTH_BYTES = 8;
/** The reference implementation's limit. */
const MAX_HEADER = 100_000_000;

const entrySchema = z.object({
  dtype: z.string(),
  shape: z.array(z.int().min(0)),
  data_offsets: z.tuple([z.int(), z.int()]),
});
type HeaderEntry = z.infer<typeof entrySchema>;
const headerSchema = z.record(z.string(), z.unknown());

/**
 * Reads a file's header.
 * @param masks gets the names of attention masks, which are left out
 * @returns the tensors by name
 * @throws InputError when the file is missing or cut short, or when its header contradicts itself or the file's size
 */
export function openSafetensors(file: string, masks = new Set<string>()): Map<string, TensorEntry> {
  const damaged = (what: string): never => {
    throw new InputError(`${file} is damaged: ${what}; download it again.`);
  };
  if (!exists(file)) throw new InputError(`${file} does not exist: download the complete model.`);
  let fd: number | undefined;
  try {
    fd = openSync(file, 'r');
    const { size } = fstatSync(fd);
    if (size < LENGTH_BYTES) damaged(`it has ${size} bytes, too few for a header`);
    const headerLength = Number(readBytes(fd, 0, LENGTH_BYTES).readBigUInt64LE());
    const start = LENGTH_BYTES + headerLength;
    if (headerLength > MAX_HEADER || start > size)
      damaged(`its header claims ${headerLength} bytes of a file of ${size}`);
    const { success, data: header } = headerSchema.safeParse(
      jsonOf(readBytes(fd, LENGTH_BYTES, headerLength).toString('utf8')),
    );
    if (!success) return damaged('its header is no JSON object');
    const entries = Object.entries(header)
      .filter(([name]) => name !== '__metadata__')
      .map(([name, value]): [string, HeaderEntry] => {
        const entry = entrySchema.safeParse(value);
        return entry.success ? [name, entry.data] : damaged(`its header does not say where tensor "${name}" lies`);
      })
      .sort(([, a], [, b]) => a.data_offsets[0] - b.data_offsets[0]);
    const tensors = new Map<string, TensorEntry>();
    let end = 0;
    for (const [name, entry] of entries) {
      const {
        dtype,
        shape,
        data_offsets: [from, to],
      } = entry;
      const isMask = MASK.test(name) && Object.hasOwn(bytesPerMaskElement, dtype);
      const sizes: Record<string, number> = isMask ? bytesPerMaskElement : bytesPerElement;
      if (!Object.hasOwn(sizes, dtype)) {
        throw new InputError(
          `${file}: tensor "${name}" is ${dtype}, which is not supported; convert it to F32, F16 or BF16.`,
        );
      }
      const length = shape.reduce((total, dim) => total * dim, sizes[dtype]);
      if (from !== end || to - from !== length) {
        damaged(
          `tensor "${name}" of shape [${shape}] ${dtype} claims bytes ${from} to ${to}, not ${end} to ${end + length}`,
        );
      }
      if (isMask) masks.add(name);
      else tensors.set(name, { name, dtype: dtype as Dtype, shape, file, offset: start + from, length });
      end = to;
    }
    if (start + end !== size) damaged(`its tensors end at byte ${start + end}, the file at ${size}`);
    return tensors;
  } catch (error) {
    throw error instanceof InputError ? error : readFailure(file, error);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** Node reads and writes less than 2 GiB at a time. */
const MOST_BYTES = 2 ** 30;

function readBytes(fd: number, position: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let read = 0;
  while (read < length) {
    const count = readSync(fd, bytes, read, Math.min(length - read, MOST_BYTES), position + read);
    if (count === 0) break;
    read += count;
  }
  return bytes;
}

/** Whether two tensors have the same type and bytes. */
export function areSameBytes(a: TensorEntry, b: TensorEntry): boolean {
  if (a.dtype !== b.dtype || a.length !== b.length) return false;
  const files = [a, b].map(({ file }) => openSync(file, 'r'));
  try {
    for (let at = 0; at < a.length; at += COMPARED) {
      const count = Math.min(COMPARED, a.length - at);
      if (!readBytes(files[0], a.offset + at, count).equals(readBytes(files[1], b.offset + at, count))) return false;
    }
    return true;
  } finally {
    files.forEach(closeSync);
  }
}

/** Bytes compared at a time. */
const COMPARED = 16 * 1024 * 1024;

/** Reads a tensor's numbers as float32. */
export function readTensorF32({ file, offset, length, dtype }: TensorEntry): Float32Array {
  const fd = openSync(file, 'r');
  try {
    if (dtype === 'F32') return new Float32Array(readBytes(fd, offset, length).buffer);
    const words = new Uint32Array(length / 2);
    for (let from = 0; from < words.length; from += PIECE) {
      const count = Math.min(PIECE, words.length - from);
      const halves = new Uint16Array(readBytes(fd, offset + 2 * from, 2 * count).buffer);
      if (dtype === 'F16') {
        const bits = (bitsOfHalves ??= makeBitsOfHalves());
        for (let i = 0; i < count; i++) words[from + i] = bits[halves[i]];
      }
      // bfloat16 is the upper half of a float32.
      else for (let i = 0; i < count; i++) words[from + i] = halves[i] << 16;
    }
    return new Float32Array(words.buffer);
  } finally {
    closeSync(fd);
  }
}

/** Numbers converted at a time: only these exist in both precisions. */
const PIECE = 1024 * 1024;

/** The bits of every float16 as a float32. Made when the first one is read, because every command loads this module. */
let bitsOfHalves: Uint32Array | undefined;
const makeBitsOfHalves = () =>
  new Uint32Array(Float32Array.from({ length: 2 ** 16 }, (_, half) => halfToFloat(half)).buffer);

function halfToFloat(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** A tensor for `writeSafetensors`. */
export interface TensorToWrite {
  name: string;
  dtype: 'F32';
  shape: number[];
  data: Float32Array;
}

/** Writes a file like the reference implementation: tensors ordered by name, the header padded to 8 bytes. */
export function writeSafetensors(file: string, tensors: TensorToWrite[], metadata?: Record<string, string>): void {
  const sorted = tensors.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  let end = 0;
  const entries = sorted.map(({ name, dtype, shape, data }): [string, HeaderEntry] => {
    const from = end;
    end += data.byteLength;
    return [name, { dtype, shape, data_offsets: [from, end] }];
  });
  const unfinished = `${file}.tmp`;
  const fd = openSync(unfinished, 'w');
  try {
    writeBytes(fd, headerOf(entries, metadata));
    for (const { data } of sorted) writeBytes(fd, bytesOf(data));
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(unfinished, file);
}

function headerOf(entries: [string, HeaderEntry][], metadata?: Record<string, string>): Buffer {
  const text = JSON.stringify({ ...(metadata && { __metadata__: metadata }), ...Object.fromEntries(entries) });
  const header = Buffer.from(
    text.padEnd(text.length + ((LENGTH_BYTES - (Buffer.byteLength(text) % LENGTH_BYTES)) % LENGTH_BYTES)),
  );
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header]);
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array) => Buffer.from(buffer, byteOffset, byteLength);

/** @param position in the file. Default: where the last write ended */
function writeBytes(fd: number, bytes: Buffer, position: number | null = null): void {
  for (let written = 0; written < bytes.length;) {
    const at = position === null ? null : position + written;
    written += writeSync(fd, bytes, written, Math.min(bytes.length - written, MOST_BYTES), at);
  }
}

/** Writes a float32 matrix [rows, width] as the only tensor of a file, row by row in any order. */
export class MatrixWriter {
  private readonly fd: number;
  private readonly start: number;
  private readonly rowBytes: number;

  constructor(file: string, name: string, [rows, width]: [rows: number, width: number]) {
    this.rowBytes = width * bytesPerElement.F32;
    const end = rows * this.rowBytes;
    const header = headerOf([[name, { dtype: 'F32', shape: [rows, width], data_offsets: [0, end] }]]);
    this.start = header.length;
    this.fd = openSync(file, 'w');
    writeBytes(this.fd, header);
    ftruncateSync(this.fd, this.start + end);
  }

  write(row: number, values: Float32Array): void {
    writeBytes(this.fd, bytesOf(values), this.start + row * this.rowBytes);
  }

  close(): void {
    closeSync(this.fd);
  }
}
