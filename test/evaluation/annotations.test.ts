/** Files of alpaca_eval that are not what they should be. Those that are: test/activities/winrate.test.ts. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readAnnotations, readGamed } from '../../evaluation/winrate/annotations.ts';
import { InputError } from '../../data/errors.ts';
import { folder } from '../data/folder.ts';

const head = 'index,preference,std_delta_len,instruction_difficulty';

test.each<[string, string | Buffer, RegExp]>([
  ['annotations.json', '[{"preference": NaN}]', /annotations\.json has NaN, which is not JSON; write null/],
  ['annotations.json', '[{"preference": 1, "preference": 2}]', /annotations\.json has the key "preference" twice/],
  ['annotations.json', '{"preference": 1', /annotations\.json is not JSON; it must be a list of annotations/],
  ['annotations.json', Buffer.from('["é"]', 'latin1'), /annotations\.json is not UTF-8 at byte 3 \(0xE9\)/],
  ['gamed.csv', '', /gamed\.csv is empty; it needs a header and at least one row\.$/],
  ['gamed.csv', head, /gamed\.csv is empty/],
  [
    'gamed.csv',
    `${head}\n0,1,0.5,1\n1,"1,5",0.5,1\n`,
    /gamed\.csv line 3 has 5 cells, not 4 as the header; correct it\.$/,
  ],
  [
    'gamed.csv',
    `${head}\n0,NaN,0.5,1\n`,
    /gamed\.csv line 2 has a wrong "preference": expected number, received NaN\.$/,
  ],
  ['gamed.csv', 'index\n0\n', /gamed\.csv line 2 has no "preference"/],
])('%s is refused: %s', async (name, content, message) => {
  const path = join(folder, name);
  writeFileSync(path, content);
  const failure = name.endsWith('.csv') ? readGamed(path) : readAnnotations(path);
  await expect(failure).rejects.toThrow(InputError);
  await expect(failure).rejects.toThrow(message);
});

test('a byte order mark is no part of the header', async () => {
  const path = join(folder, 'gamed.csv');
  writeFileSync(path, `\ufeff${head}\r\n0,1,0.5,1\r\n`);
  expect(await readGamed(path)).toEqual([{ index: 0, preference: 1, std_delta_len: 0.5, instruction_difficulty: 1 }]);
});
