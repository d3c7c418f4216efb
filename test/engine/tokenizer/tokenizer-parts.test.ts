/** Every part of a tokenizer, and files that add tokens, against transformers: test/fixtures/tokenizers/make_parts.py. */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { openTokenizer } from '../../../engine/tokenizer/tokenizer.ts';
import { temporaryFolder } from '../../temporary.ts';

interface Kind {
  /** tokenizer.json with its model by name; the table of a Precompiled normalizer is that of the file. */
  tokenizer: { model: { of: string; settings: object } };
  /** Other files of the folder. */
  files: Record<string, object>;
  /** Special tokens by name, if transformers opened the folder. */
  names: Record<string, string> | null;
  /** Number of tokens. */
  size: number;
  /** For each text, of what the library makes of it. */
  hashes: string[];
}

interface Parts {
  texts: string[];
  models: Record<string, object>;
  charsmap: string;
  kinds: Record<string, Kind>;
}

const { texts, models, charsmap, kinds } = JSON.parse(
  gunzipSync(readFileSync(new URL('../../fixtures/tokenizers/parts.json.gz', import.meta.url))).toString(),
) as Parts;
const folder = temporaryFolder();
const hashOf = (value: unknown) => createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 8);

function folderOf(name: string, { tokenizer, files }: Kind): string {
  const path = join(folder, hashOf(name));
  mkdirSync(path);
  const { of, settings } = tokenizer.model;
  const content = JSON.stringify({ ...tokenizer, model: { ...models[of], ...settings } });
  writeFileSync(join(path, 'tokenizer.json'), content.replaceAll('"of the file"', JSON.stringify(charsmap)));
  for (const [file, value] of Object.entries(files)) writeFileSync(join(path, file), JSON.stringify(value));
  return path;
}

test('the texts are 400, and the kinds many', () => {
  expect(texts).toHaveLength(400);
  expect(Object.keys(kinds).length).toBeGreaterThan(100);
});

describe('encodes and decodes as the library', () => {
  test.each(Object.entries(kinds))('%s', (name, kind) => {
    const { tokenizer, special } = openTokenizer(folderOf(name, kind));
    const results = texts.map((text, i) => {
      const { ids } = tokenizer.encode(text, { addSpecialTokens: false });
      const pair = tokenizer.encode(text, { pair: 'Hello world' });
      const noise = [0, 1, 2, 3, 4, 5].map((k) => (i * 7 + k * k * 131) % (kind.size + 2));
      const whole = tokenizer.encode(text).ids;
      return [ids, whole, tokenizer.decode(ids), pair.ids, pair.typeIds, tokenizer.decode(noise)];
    });
    expect(results.filter((result, i) => hashOf(result) !== kind.hashes[i])).toEqual([]);
    if (kind.names) expect(special).toEqual(kind.names);
  });
});
