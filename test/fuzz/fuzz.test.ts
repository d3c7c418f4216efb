/** A slice of the fuzzer's cases: `npm run test:fuzz` has more. */
import { expect, test } from 'vitest';
import { temporaryFolder } from '../temporary.ts';
import { describe, fuzz } from './fuzz.ts';
import { faultOf } from './outcome.ts';
import { openParsers } from './parsers/index.ts';

const SLICE = 300;

/** Errors of servers, and a data set whose files are not Parquet. */
const FAILING = /-error$|^(hub-data|chat-events)$/;

test('every parser takes what its cases are made of', async () => {
  const parsers = await openParsers(temporaryFolder());
  const faults: string[] = [];
  for (const [name, parser] of Object.entries(parsers)) {
    if (FAILING.test(name)) continue;
    const fault = await faultOf({ ...parser, takesAll: true }, Buffer.from(parser.inputs[0]));
    if (fault !== undefined) faults.push(`${name}: ${fault}`);
  }
  expect(faults).toEqual([]);
});

test('every parser reads what is damaged, or refuses it in one sentence', async () => {
  const { faults } = await fuzz({ cases: SLICE, seed: 1 });
  expect(faults.map(describe)).toEqual([]);
});
