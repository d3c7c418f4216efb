import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { TOKENIZER_FILES } from '../../activities/policy.ts';
import { fetchOutline, type ModelCopies } from '../../artifacts/models.ts';
import { MODEL_FILE } from '../../data/hub/models.ts';
import { temporaryFolder } from '../temporary.ts';

const TOOLS = 'additional_chat_templates/tool_use.jinja';
const fetch: ModelCopies['fetch'] = async (_, path, target) => writeFileSync(target, path);

test("a model's outline has all of its chat templates, which are files of its tokenizer", async () => {
  const folder = temporaryFolder();
  const files = ['config.json', TOOLS].map((path) => ({ path, size: 1, sha256: '' }));
  await fetchOutline({ fetch } as ModelCopies, { id: 'org/model@commit', address: '', files } as never, folder);
  expect(files.every(({ path }) => existsSync(join(folder, path)))).toBe(true);
  for (const wanted of [MODEL_FILE, TOKENIZER_FILES]) {
    expect([TOOLS, `sub/${TOOLS}`, 'additional_chat_templates/x/y.jinja'].map((path) => wanted.test(path))).toEqual([
      true,
      false,
      false,
    ]);
  }
});
