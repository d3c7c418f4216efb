import { existsSync, readdirSync, readFileSync } from 'node:fs';
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
    ['list.jsonl', ['', '["a"]'], 'list.jsonl line 2 is not a JSON object; every line must hold one.'],
    ['none.jsonl', ['{"count":1}'], 'none.jsonl line 1 has no "text"; every row needs one.'],
    ['type.jsonl', ['{"text":5}'], 'type.jsonl line 1 has a wrong "text": expected string, received number.'],
  ])('refuses %s in one sentence that says where', async (name, lines, message) => {
    const failure = readJsonl(fileOf(name, ...lines), schema);
    await expect(failure).rejects.toThrow(InputError);
    await expect(failure).rejects.toThrow(new InputError(`${folder}/${message}`));
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
      // prettier-ignore
      expect(await readJsonlRange(path, schema, from, to)).toEqual(rows.slice(from, to));
    }
  });

  test('refuses a file that is missing and a folder', async () => {
    await expect(readJsonl(join(folder, 'no.jsonl'), schema)).rejects.toThrow(
      /no\.jsonl does not exist; check the path\./,
    );
    await expect(readJsonl(folder, schema)).rejects.toThrow(/cannot be read \(EISDIR\)/);
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
