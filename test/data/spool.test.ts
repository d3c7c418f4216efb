import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Spool } from '../../data/spool.ts';
import { temporaryFolder } from '../temporary.ts';

const folder = temporaryFolder();

test('records are read back in any order, as often as asked, and leave no file', () => {
  const spool = new Spool<{ i: number; text: string }>(folder);
  // About 3 MB, more than one block. The umlaut takes two bytes.
  const records = Array.from({ length: 3000 }, (_, i) => ({ i, text: 'ü'.repeat(i % 1000) }));
  for (const record of records) spool.add(record);
  expect(readdirSync(folder)).toEqual([]);
  const places = [2999, 0, 1500, 1500];
  expect([...spool.read(places)]).toEqual(places.map((i) => records[i]));
  spool.add({ i: 3000, text: 'late' });
  expect([...spool.read([3000, 1])]).toEqual([{ i: 3000, text: 'late' }, records[1]]);
  spool.close();
});
