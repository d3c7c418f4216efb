/**
 * Writes TensorBoard event files: TFRecords (length, checksum of the length, data, checksum of the data; little-endian) that contain
 * Event messages. Checksums are CRC-32C, rotated and offset with TensorFlow's mask.
 */
import { readFileSync } from 'node:fs';
import protobuf from 'protobufjs';
import type { MetricsRow } from './metrics.ts';

const Event = protobuf
  .parse(readFileSync(new URL('./tfevents.proto', import.meta.url), 'utf8'))
  .root.lookupType('tensorflow.Event');

/** The name of the event file. TensorBoard reads files with "tfevents" in their names. */
export const EVENTS_FILE = 'events.out.tfevents.0.selm';

/** The bytes of an event file with these scalars. */
export function eventFile(rows: MetricsRow[]): Buffer {
  const events = rows.map(({ step, time, metrics }) => ({
    ...(time !== undefined && { wallTime: time }),
    step,
    summary: { value: Object.entries(metrics).map(([tag, simpleValue]) => ({ tag, simpleValue })) },
  }));
  return Buffer.concat([{ fileVersion: 'brain.Event:2' }, ...events].map(record));
}

function record(event: object): Buffer {
  const data = Event.encode(Event.fromObject(event)).finish();
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(data.length));
  return Buffer.concat([length, maskedChecksum(length), data, maskedChecksum(data)]);
}

function maskedChecksum(data: Uint8Array): Buffer {
  const crc = crc32c(data);
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE((((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0);
  return bytes;
}

/** Castagnoli's polynomial, bits reversed. */
const POLYNOMIAL = 0x82f63b78;
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? (byte >>> 1) ^ POLYNOMIAL : byte >>> 1;
  return byte;
});

/** CRC-32C (Castagnoli), as an unsigned 32-bit number. */
export function crc32c(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) crc = TABLE[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}
