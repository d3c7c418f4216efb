/** The page of the bench against its results. */
import { readFileSync } from 'node:fs';
import { format, resolveConfig } from 'prettier';
import { expect, test } from 'vitest';
import { describe as pageOf } from '../../bench/report.ts';
import type { Results } from '../../bench/results.ts';

const at = (path: string) => new URL(path, import.meta.url);
const results = JSON.parse(readFileSync(at('../../bench/results.json'), 'utf8')) as Results;

test('every figure on docs/performance.md is of bench/results.json (else: npm run bench -- --draw)', async () => {
  const file = at('../../docs/performance.md').pathname;
  const drawn = await format(pageOf(results), { ...(await resolveConfig(file)), filepath: file });
  expect(readFileSync(file, 'utf8')).toBe(drawn);
});
