/** Parquet's codec LZ4: blocks as fastparquet writes them, and Hadoop's frames. */
import { expect, test } from 'vitest';
import { decompressLz4 } from '../../data/lz4.ts';

/** A block of literals only: a token, the rest of their number, and the literals. */
const literals = (content: Buffer) => Buffer.concat([Buffer.from([0xf0, content.length - 15]), content]);

/** A frame of Hadoop: both lengths, and a block. */
const frame = (of: Buffer) => {
  const block = literals(of);
  const lengths = Buffer.alloc(8);
  lengths.writeUInt32BE(of.length);
  lengths.writeUInt32BE(block.length, 4);
  return Buffer.concat([lengths, block]);
};

// As lengths, the first bytes of this block would be negative and 40; as a frame, the next 40 bytes would not be valid.
const content = Buffer.concat([Buffer.from('xx\0\0\0(\0ab'), Buffer.from('text '.repeat(14))]);

test('a raw block is read, whatever its first bytes are', () => {
  expect(Buffer.from(decompressLz4(literals(content), content.length))).toEqual(content);
});

test('frames are read', () => {
  const [first, second] = [content.subarray(0, 30), content.subarray(30)];
  const decompressed = decompressLz4(Buffer.concat([frame(first), frame(second)]), content.length);
  expect(Buffer.from(decompressed)).toEqual(content);
});
