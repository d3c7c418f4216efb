/** Numbers and keys of messages and tools, which files keep as they are (test/fixtures/exact-json/make_exact_json.py). */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { exactJson, plainOf, toJson } from '../../data/exact-json.ts';
import { partsOf } from '../../data/json.ts';
import { readJsonl, writeJsonl } from '../../data/jsonl.ts';
import { readPrompts } from '../../data/prompts.ts';
import { promptSchema } from '../../data/records.ts';
import { Spool } from '../../data/spool.ts';
import { toolsOf } from '../../data/tools.ts';
import { temporaryFolder } from '../temporary.ts';

const fixtures = 'test/fixtures/exact-json';
const rows = join(fixtures, 'rows.jsonl');
const folder = temporaryFolder();
const compact = (json: string) =>
  [...partsOf(json)].map(({ part, isString }) => (isString ? part : part.replaceAll(/\s/g, ''))).join('');
/** Without the escapes of Python's json.dumps, which JSON.stringify does not write. */
const given = readFileSync(rows, 'utf8')
  .split('\n')
  .filter(Boolean)
  .map((line) => compact(line).replaceAll('\\u0030', '0'));

describe('messages and tools', () => {
  test('are written as they were read; a number elsewhere is a number', async () => {
    const prompts = await readPrompts(rows);
    expect(prompts.map(({ score }) => score)).toEqual([1, 1]);
    const out = join(folder, 'out.jsonl');
    await writeJsonl(out, prompts);
    const written = readFileSync(out, 'utf8').split('\n').filter(Boolean);
    expect(written[0]).toBe(given[0].replace('"score":1.0', '"score":1'));
    // And so they are a second time, and by way of a temporary file and another process.
    const again = await readJsonl(out, promptSchema);
    expect(again).toEqual(prompts);
    const spool = new Spool<object>(folder);
    for (const prompt of again) spool.add(structuredClone(prompt));
    await writeJsonl(out, spool.read([0, 1]));
    spool.close();
    expect(readFileSync(out, 'utf8')).toBe(`${written.join('\n')}\n`);
  });

  test('are the same as a list of tools and as its JSON', async () => {
    const [list, text] = (await readPrompts(rows)).map((row) => toolsOf(row));
    expect(text).toEqual(list);
  });

  test("of Parquet columns are those of datasets' reader", async () => {
    const [row] = await readPrompts(join(fixtures, 'structs.parquet'));
    // 1e-7 and a large float have another text in Python, and the same value.
    const expected = readFileSync(join(fixtures, 'structs.txt'), 'utf8');
    expect(toJson(row.tools)).toBe(
      compact(expected).replace('1e-07', '1e-7').replace('1.0000000272564224e+16', '10000000272564224.0'),
    );
    const [json] = await readPrompts(join(fixtures, 'rows.parquet'));
    expect(json['score']).toBe(1);
    expect(toJson(json.tools)).toContain('"minimum":0.0,"maximum":9223372036854775807,"default":100.0,');
  });

  test('are checked: a content that is a number is not a text', async () => {
    const file = join(folder, 'number.jsonl');
    await writeJsonl(file, [{ prompt: [{ role: 'user', content: 'MARK' }] }]);
    const wrong = readFileSync(file, 'utf8').replace('"MARK"', '5.0');
    writeFileSync(file, wrong);
    await expect(readPrompts(file)).rejects.toThrow(/line 1 has a wrong "prompt\.0\.content"/);
  });
});

test('a plain value has numbers that are rounded or texts', () => {
  expect(plainOf(exactJson('{"a": 0.0, "10": 1e2, "id": 9007199254740993, "b": [2.5, "1.0"]}'))).toEqual({
    a: 0,
    10: 100,
    id: '9007199254740993',
    b: [2.5, '1.0'],
  });
});

test('texts that look like numbers and keys stay texts', () => {
  const text = JSON.stringify({ a: '"1.0"', b: '\\"10": 1e5', '1.0': '9223372036854775807', c: ['0.0', '\\'] });
  expect(exactJson(text)).toEqual(JSON.parse(text));
  expect(toJson(exactJson(text))).toBe(text);
});
