/** Folders with several chat templates, and adapters with their own: test/fixtures/template-inputs/make_template_inputs.py. */
import { appendFileSync, cpSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { hashFile } from '../../../artifacts/hash.ts';
import { copyModelFiles } from '../../../engine/model-files/copy.ts';
import { fingerprintFrom, fingerprintOf } from '../../../engine/model-files/fingerprint.ts';
import type { ChatTemplateSettings } from '../../../engine/protocol/jobs.ts';
import { withTemplateOf, writeTemplates } from '../../../engine/tokenizer/template-files.ts';
import { loadTokenizer } from '../../../engine/tokenizer/tokenizer.ts';
import { temporaryFolder } from '../../temporary.ts';

type Ids = Record<'plain' | 'tools', number[]>;
const fixtures = new URL('../../fixtures/', import.meta.url).pathname;
const layout = (name: string) => join(fixtures, 'template-inputs', name);
const { folders, template } = JSON.parse(readFileSync(layout('expected.json'), 'utf8')) as {
  folders: Record<string, Ids>;
  template: string;
};
const one = join(fixtures, 'chat-templates/cases/tools-column');
const TOOLS = 'additional_chat_templates/tool_use.jinja';

const home = temporaryFolder();
/** A model with the templates `default` and `tool_use`. */
const model = join(home, 'model');
cpSync(one, model, { recursive: true });
cpSync(layout('several'), model, { recursive: true });

const tools = [{ type: 'function', function: { name: 'weather', parameters: {} } }];
const encoded = (folder: string, settings?: ChatTemplateSettings): Ids => {
  const tokenizer = loadTokenizer(folder, settings);
  return { plain: tokenizer.encodePrompt('Hi'), tools: tokenizer.encodePrompt('Hi', { tools }) };
};
const emptyFolder = (name: string) => (mkdirSync(join(home, name)), join(home, name));

test.each(Object.entries(folders))(
  'the templates of an adapter are used as AutoTokenizer uses them: %s',
  (name, ids) => {
    expect(encoded(one)).not.toEqual(ids);
    expect(encoded(one, withTemplateOf(layout(name)))).toEqual(ids);
    const given = { template: 'given', arguments: { a: 1 } };
    expect(withTemplateOf(layout(name), given)).toBe(given);
    expect(withTemplateOf(layout(name), { arguments: { a: 1 } })).toMatchObject({ arguments: { a: 1 } });
  },
);

test('an adapter without a template leaves the settings as they are', () => {
  writeFileSync(join(emptyFolder('plain'), 'tokenizer_config.json'), '{"eos_token": "x", "chat_template": null}');
  expect(withTemplateOf(join(home, 'plain'))).toBeUndefined();
  expect(withTemplateOf(join(home, 'nothing'), { arguments: {} })).toEqual({ arguments: {} });
});

test('a model with several templates is encoded as in transformers', () => {
  expect(encoded(model)).toEqual(folders['several']);
});

test("a policy's arguments go into all templates that it uses", () => {
  const settings = { arguments: { enable_thinking: false, persona: 'A pirate.' } };
  const adapter = emptyFolder('adapter');
  writeTemplates(adapter, { model, chatTemplate: settings });
  expect(readdirSync(adapter, { recursive: true }).sort()).toEqual(
    ['additional_chat_templates', TOOLS, 'chat_template.jinja'].sort(),
  );
  expect(encoded(model, withTemplateOf(adapter))).toEqual(encoded(model, settings));
  expect(encoded(model, settings)).not.toEqual(encoded(model));
});

test('a template given for the policy replaces all of its model, also in a folder with the model', () => {
  const trained = emptyFolder('trained');
  copyModelFiles(model, trained, {});
  expect(readFileSync(join(trained, TOOLS))).toEqual(readFileSync(join(model, TOOLS)));
  expect(encoded(trained)).toEqual(encoded(model));
  writeTemplates(trained, { model });
  expect(encoded(trained)).toEqual(encoded(model));

  writeTemplates(trained, { model, chatTemplate: { template } });
  expect(existsSync(join(trained, TOOLS))).toBe(false);
  expect(encoded(trained)).toEqual(encoded(model, { template }));
  writeTemplates(trained, { model, chatTemplate: { template, toolTemplate: `!${template}` } });
  expect(encoded(trained)).toEqual(encoded(model, { template, toolTemplate: `!${template}` }));
});

test('the fingerprint has all templates; of a model with one template it is as before', async () => {
  // Of version 0.4.0.
  expect(await fingerprintOf(one)).toBe('b0872cdc66c214ad5e1a514143690b93cad0cc5e37156d2e388657f48a3fe4aa');
  const before = await fingerprintOf(model);
  const paths = ['config.json', 'tokenizer.json', 'tokenizer_config.json', 'chat_template.jinja', TOOLS, 'README.md'];
  writeFileSync(join(model, 'README.md'), 'no part of it');
  const files = await Promise.all(paths.map(async (path) => ({ path, sha256: await hashFile(join(model, path)) })));
  expect(fingerprintFrom(files)).toBe(before);
  appendFileSync(join(model, TOOLS), ' ');
  expect(await fingerprintOf(model)).not.toBe(before);
});
