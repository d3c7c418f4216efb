/** Event files against TensorBoard's own writer (test/fixtures/tensorboard). */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { MetricsRow } from '../../report/metrics.ts';
import { crc32c, eventFile } from '../../report/tensorboard.ts';

const fixture = (name: string) =>
  readFileSync(fileURLToPath(new URL(`../fixtures/tensorboard/${name}`, import.meta.url)));

test('an event file has the bytes of TensorBoard itself', () => {
  const rows = JSON.parse(fixture('scalars.json').toString()) as MetricsRow[];
  expect(eventFile(rows).toString('hex')).toBe(fixture('events.tfevents').toString('hex'));
});

test('checksums are CRC-32C', () => {
  // The check value of the CRC catalogue, and RFC 3720, appendix B.4.
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
  expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa);
});
