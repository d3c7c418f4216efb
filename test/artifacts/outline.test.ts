import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { HUB_MODEL_FILES, TOKENIZER_FILES } from '../../data/model-files.ts';
import { stepKey } from '../../artifacts/manifest.ts';
import { copyRecipe, fetchOutline, type ModelCopies } from '../../artifacts/models.ts';
import { temporaryFolder } from '../temporary.ts';

const TOOLS = 'additional_chat_templates/tool_use.jinja';
const fetch: ModelCopies['fetch'] = async (_, path, target) => writeFileSync(target, path);

test("a model's outline has all of its chat templates, which are files of its tokenizer", async () => {
  const folder = temporaryFolder();
  const files = ['config.json', TOOLS].map((path) => ({ path, size: 1, sha256: '' }));
  await fetchOutline({ fetch } as ModelCopies, { id: 'org/model@commit', address: '', files } as never, folder);
  expect(files.every(({ path }) => existsSync(join(folder, path)))).toBe(true);
  for (const wanted of [HUB_MODEL_FILES, TOKENIZER_FILES]) {
    expect([TOOLS, `sub/${TOOLS}`, 'additional_chat_templates/x/y.jinja'].map((path) => wanted.test(path))).toEqual([
      true,
      false,
      false,
    ]);
  }
});

test('the step key of a copy, which has the pattern of its files, is as it was', () => {
  const recipe = copyRecipe(`org/m@${'a'.repeat(40)}`, HUB_MODEL_FILES);
  // Of version 0.4.0.
  expect(stepKey(recipe)).toBe('4f399038cbfdf0e5244d1b1a28133d12631c0985a1bdda21ec8823e16146494b');
});
