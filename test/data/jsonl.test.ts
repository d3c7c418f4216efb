import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { InputError } from '../../data/errors.ts';
import { readJsonl, readJsonlRange, writeJsonl } from '../../data/jsonl.ts';
import { fileOf, folder } from './folder.ts';

const schema = z.object({ text: z.string(), count: z.int().optional() });

describe('reading', () => {
  test('takes blank lines, Windows line ends, a byte order mark and a line separator within a text', async () => {
    const path = fileOf('good.jsonl', '\ufeff{"text":"a"}\r', '', '{"text":"b\u2028c","count":null}');
    expect(await readJsonl(path, schema)).toEqual([{ text: 'a' }, { text: 'b\u2028c' }]);
  });

  test.each([
    ['nothing.jsonl', [], 'nothing.jsonl is empty; it needs at least one row.'],
    ['blank.jsonl', ['', ' '], 'blank.jsonl is empty; it needs at least one row.'],
    ['cut.jsonl', ['{"text":"a"}', '{"text":'], 'cut.jsonl line 2 is not JSON; every line must hold one JSON object.'],
    ['list.jsonl', ['{"text":"a"}', '["a"]'], 'list.jsonl line 2 is not a JSON object; every line must hold one.'],
    ['number.jsonl', ['5'], 'number.jsonl line 1 is not a JSON object; every line must hold one.'],
    [
      'array.jsonl',
      ['', '[{"text":"a"},', '{"text":"b"}]'],
      'array.jsonl is a JSON array; write one object per line (JSON Lines).',
    ],
    [
      'nan.jsonl',
      ['{"text":"NaN, \\"Infinity","count":NaN}'],
      'nan.jsonl line 1 has NaN, which is not JSON; write null, or leave the field out.',
    ],
    [
      'infinity.jsonl',
      ['{"text":"a","count":-Infinity}'],
      'infinity.jsonl line 1 has -Infinity, which is not JSON; write null, or leave the field out.',
    ],
    [
      'large.jsonl',
      ['{"text":"a","count":1e400}'],
      'large.jsonl line 1 has the number 1e400, which is too large; write it as a string.',
    ],
    ['python.jsonl', ["{'text': \"it's\"}"], 'python.jsonl line 1 is not JSON but Python; write it with json.dumps().'],
    [
      'python.jsonl',
      ['{"text": "a", "count": None}'],
      'python.jsonl line 1 is not JSON but Python; write it with json.dumps().',
    ],
    [
      'apostrophe.jsonl',
      ['{"text":"it\'s'],
      'apostrophe.jsonl line 1 is not JSON; every line must hold one JSON object.',
    ],
    [
      'comma.jsonl',
      ['{"text":"a, }",}'],
      'comma.jsonl line 1 has a comma before a closing bracket, which is not JSON; remove the comma.',
    ],
    ['comma.jsonl', ['{"text":"a"},'], 'comma.jsonl line 1 has a comma after its object; remove the comma.'],
    [
      'two.jsonl',
      ['{"text":"a"} {"text":"b"}'],
      'two.jsonl line 1 holds more than one JSON object; write one object per line.',
    ],
    [
      'indented.jsonl',
      ['{', '  "text": "a"', '}'],
      'indented.jsonl line 1 begins an object that goes on in the next line; write one object per line.',
    ],
    [
      'tab.jsonl',
      ['{"text":"a\tb"}'],
      'tab.jsonl line 1 has a control character in a string, which is not JSON; escape it.',
    ],
    [
      'twice.jsonl',
      ['{"text":"\\": a","m":[{"text":1}],"text":"b"}'],
      'twice.jsonl line 1 has the key "text" twice in an object; keep one.',
    ],
    [
      'twice.jsonl',
      ['{"text":"a","m":[{"k":1,"\\u006b":1}]}'],
      'twice.jsonl line 1 has the key "k" twice in an object; keep one.',
    ],
    [
      'half.jsonl',
      ['{"text":"\\ud83d\\ude00","m":[{"k":"a\\ud800"}]}'],
      'half.jsonl line 1 has half a surrogate pair in "m.0.k", which is not text; remove or replace it.',
    ],
    ['none.jsonl', ['{"count":1}'], 'none.jsonl line 1 has no "text"; every row needs one.'],
    ['type.jsonl', ['{"text":5}'], 'type.jsonl line 1 has a wrong "text": expected string, received number.'],
  ])('refuses %s in one sentence that says where', async (name, lines, message) => {
    const failure = readJsonl(fileOf(name, ...lines), schema);
    await expect(failure).rejects.toThrow(InputError);
    await expect(failure).rejects.toThrow(new InputError(`${folder}/${message}`));
  });

  test.each<[string, (number | string)[], string]>([
    [
      'latin-1.jsonl',
      ['{"text":"a"}\n{"text":"', 0xe9, '"}'],
      'latin-1.jsonl line 2 is not UTF-8 at byte 10 (0xE9); convert the file to UTF-8.',
    ],
    [
      'replaced.jsonl',
      ['{"text":"é\ufffd', 0xef, 0xbf, '"}'],
      'replaced.jsonl line 1 is not UTF-8 at byte 15 (0xEF); convert the file to UTF-8.',
    ],
    [
      'surrogate.jsonl',
      ['{"text":"', 0xed, 0xa0, 0x80, '"}'],
      'surrogate.jsonl line 1 is not UTF-8 at byte 10 (0xED); convert the file to UTF-8.',
    ],
    ['utf-16.jsonl', [0xff, 0xfe, '{', 0, '}', 0], 'utf-16.jsonl is UTF-16; convert it to UTF-8.'],
    ['utf-16.jsonl', [0xfe, 0xff, 0, '{', 0, '}'], 'utf-16.jsonl is UTF-16; convert it to UTF-8.'],
    ['utf-16.jsonl', ['{', 0, '}', 0], 'utf-16.jsonl is UTF-16; convert it to UTF-8.'],
    ['utf-32.jsonl', [0xff, 0xfe, 0, 0, '{', 0, 0, 0], 'utf-32.jsonl is UTF-32; convert it to UTF-8.'],
    ['rows.jsonl.gz', [0x1f, 0x8b, 8, 0], 'rows.jsonl.gz is compressed with gzip; decompress it.'],
    ['rows.jsonl', [0x28, 0xb5, 0x2f, 0xfd], 'rows.jsonl is compressed with zstd; decompress it.'],
    ['rows.jsonl', ['PAR1', 0x15], 'rows.jsonl is a Parquet file; give it the extension .parquet.'],
    ['rows.jsonl', ['PK', 3, 4], 'rows.jsonl is a zip archive; extract it.'],
  ])('says of %s what it is instead (%j)', async (name, parts, message) => {
    const path = join(folder, name);
    writeFileSync(path, Buffer.concat(parts.map((part) => Buffer.from(typeof part === 'string' ? part : [part]))));
    await expect(readJsonl(path, schema)).rejects.toThrow(new InputError(`${folder}/${message}`));
  });

  test('keeps integers apart that a double does not', async () => {
    const numbers =
      '{"a":9007199254740993,"b":-9007199254740992,"c":[123456789012345678901234567890,9007199254740991],"d":"9007199254740993: 1","e":0.12345678901234567890,"f":1e300}';
    const [row] = await readJsonl(fileOf('large.jsonl', numbers), z.looseObject({}));
    expect(row).toEqual({
      a: '9007199254740993',
      b: '-9007199254740992',
      c: ['123456789012345678901234567890', 9007199254740991],
      d: '9007199254740993: 1',
      e: 0.12345678901234568,
      f: 1e300,
    });
  });

  test('takes a line of many megabytes', async () => {
    const text = 'a "quoted": \\ text é\n'.repeat(1 << 20);
    const row = { text, big: '9007199254740993' };
    const line = JSON.stringify(row).replace('"9007199254740993"', '9007199254740993');
    const [read] = await readJsonl(fileOf('long.jsonl', line), z.looseObject({}));
    expect(read['big']).toBe(row.big);
    expect(read['text'] === text).toBe(true);
  });

  test('of a part gives the very records of that part, over the ends of what is read at a time', async () => {
    const path = join(folder, 'many.jsonl');
    const rows = Array.from({ length: 3000 }, (_, i) => ({ text: `${i} \u2028 ${'ü'.repeat(i % 97)}` }));
    await writeJsonl(path, rows);
    for (const [from, to] of [
      [0, 3],
      [0, 3000],
      [1234, 1300],
      [2990, 3000],
      [2999, 5000],
    ]) {
      expect(await readJsonlRange(path, schema, from, to)).toEqual(rows.slice(from, to));
    }
  });

  test('refuses a file that is missing and a folder', async () => {
    await expect(readJsonl(join(folder, 'no.jsonl'), schema)).rejects.toThrow(
      /no\.jsonl does not exist; check the path\./,
    );
    await expect(readJsonl(folder, schema)).rejects.toThrow(/is a folder; give a file/);
  });
});

describe('writing', () => {
  test('makes the folder and replaces the file', async () => {
    const path = join(folder, 'new', 'rows.jsonl');
    await writeJsonl(path, [{ text: 'old' }]);
    await writeJsonl(path, [{ text: 'a\nb' }, { text: 'c' }]);
    expect(readFileSync(path, 'utf8')).toBe('{"text":"a\\nb"}\n{"text":"c"}\n');
  });

  test('leaves the old file, and nothing else, if the rows fail', async () => {
    const path = join(folder, 'broken', 'rows.jsonl');
    await writeJsonl(path, [{ text: 'old' }]);
    const failing = (function* () {
      yield { text: 'new' };
      throw new Error('no more');
    })();
    await expect(writeJsonl(path, failing)).rejects.toThrow('no more');
    expect(readFileSync(path, 'utf8')).toBe('{"text":"old"}\n');
    expect(readdirSync(join(folder, 'broken'))).toEqual(['rows.jsonl']);
    expect(existsSync(`${path}.${process.pid}.tmp`)).toBe(false);
  });
});
