import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { optimize } from '../../activities/optimize.ts';
import { importPolicy, openPolicyArtifact } from '../../activities/policy.ts';
import { publish } from '../../activities/publish.ts';
import { InputError } from '../../data/errors.ts';
import { ReadFailed } from '../../data/errors.ts';
import { writeJsonl } from '../../data/jsonl.ts';
import type { Policy } from '../../engine/protocol/jobs.ts';
import { openPolicyFiles } from '../../engine/tokens/policy.ts';
import { objectiveSchema, samplingSchema, trainingSchema } from '../../engine/protocol/settings.ts';
import { CODES, withFileErrors } from '../artifacts/file-errors.ts';
import { tinyAdapter, tinyModel, tinyPrompts } from '../tiny-model.ts';
import { referenceLogps } from './reference-logps.ts';
import { testContext } from './context.ts';

const context = testContext();
const model = tinyModel(join(context.folder, 'model'));
const outputs = join(context.folder, 'outputs');
const lineage = { run: 'test', results: [{ round: 1 }] };

const publishTo = (name: string, policy: string) =>
  publish(context, { policy, folder: join(outputs, name), lineage }, {});
const read = (...path: string[]) => readFileSync(join(outputs, ...path));
const readJson = (...path: string[]) => JSON.parse(read(...path).toString()) as Record<string, unknown>;

const encoded = (of: Policy) => openPolicyFiles(of).tokenizer().encodePrompt('a');

/** Greedy responses, which identify a policy. */
async function answersOf(policy: Policy): Promise<number[][]> {
  const settings = samplingSchema.parse({ maxNewTokens: 8 });
  const { responses } = await context.engine.run('sample', { policy, prompts: tinyPrompts(4), settings, seed: 0 });
  return responses.map(([{ token_ids }]) => token_ids);
}

describe('a published policy', () => {
  test('is the PEFT adapter where one was trained, with its lineage', async () => {
    const { address } = await importPolicy(context, model, tinyAdapter);
    await publishTo('adapter', address);
    expect(readdirSync(join(outputs, 'adapter')).sort()).toEqual([
      'adapter_config.json',
      'adapter_model.safetensors',
      'selm.json',
    ]);
    for (const name of ['adapter_config.json', 'adapter_model.safetensors']) {
      expect(read('adapter', name)).toEqual(readFileSync(join(tinyAdapter, name)));
    }
    const { base } = await openPolicyArtifact(context.store, address);
    const files = ['adapter_config.json', 'adapter_model.safetensors', 'selm.json'];
    expect(readJson('adapter', 'selm.json')).toEqual({ policy: address, base, files, ...lineage });
    expect(base.source).toBe(model);
  });

  test.each(CODES)('is never its base alone because the adapter cannot be read now (%s)', async (code) => {
    const { address } = await importPolicy(context, model, tinyAdapter);
    const unreadable = new RegExp(`${address}/adapter$`);
    await expect(withFileErrors(code, unreadable, () => openPolicyArtifact(context.store, address))).rejects.toThrow(
      ReadFailed,
    );
    await expect(withFileErrors(code, unreadable, () => publishTo('unreadable', address))).rejects.toThrow(ReadFailed);
    expect(existsSync(join(outputs, 'unreadable'))).toBe(false);
  });

  test('is a whole model folder where all weights were trained', async () => {
    const start = await importPolicy(context, model, undefined);
    const responses = { chosen: 'tree', rejected: 'rock, stone', reference_response: 'r' };
    const recipe = { step: 'test', parameters: {}, inputs: {}, seed: 0, engineVersion: 'test' };
    const preferences = await context.store.create('preferences', recipe, (folder) =>
      writeJsonl(
        join(folder, 'preferences.jsonl'),
        tinyPrompts(8).map((prompt) => ({ ...prompt, ...responses })),
      ),
    );
    const training = trainingSchema.parse({ full: true, learningRate: 1e-3, batchSize: 2 });
    const objective = objectiveSchema.parse({});
    const input = {
      policy: start.address,
      preferences,
      reference: await referenceLogps(context, { policy: start.address, preferences }, training, 8),
      objective,
      training,
      seed: 0,
      threads: 2,
      checkpointSeconds: 60,
    };
    const { address } = await optimize(context, input, {});
    await publishTo('model', address);
    const files = [
      'config.json',
      'generation_config.json',
      'model.safetensors',
      'tokenizer.json',
      'tokenizer_config.json',
    ];
    expect(readdirSync(join(outputs, 'model')).sort()).toEqual([...files, 'selm.json'].sort());

    const { policy } = await openPolicyArtifact(context.store, address);
    const answers = await answersOf({ model: join(outputs, 'model') });
    expect(answers).toEqual(await answersOf(policy));
    expect(answers).not.toEqual(await answersOf({ model }));
  });

  test('that was not trained is its lineage alone: the model is where it was', async () => {
    const { address } = await importPolicy(context, model, undefined);
    await publishTo('untrained', address);
    expect(readdirSync(join(outputs, 'untrained'))).toEqual(['selm.json']);
    expect(readJson('untrained', 'selm.json')['base']).toMatchObject({ source: model });
  });
});

describe('the output folder', () => {
  test("replaces a run's earlier output, and what is left of an interrupted one", async () => {
    const plain = await importPolicy(context, model, undefined);
    const adapted = await importPolicy(context, model, tinyAdapter);
    await publishTo('twice', adapted.address);
    mkdirSync(join(outputs, 'twice.unfinished'));
    writeFileSync(join(outputs, 'twice.unfinished', 'selm.json'), '');
    writeFileSync(join(outputs, 'twice.unfinished', 'rest'), '');
    await publishTo('twice', plain.address);
    expect(readdirSync(join(outputs, 'twice'))).toEqual(['selm.json']);
    expect(existsSync(join(outputs, 'twice.unfinished'))).toBe(false);
  });

  test("is left alone if it has files beside a run's", async () => {
    const { address } = await importPolicy(context, model, tinyAdapter);
    await publishTo('annotated', address);
    await publishTo('annotated', address);
    mkdirSync(join(outputs, 'annotated', 'my'));
    writeFileSync(join(outputs, 'annotated', 'my', 'notes.md'), 'years of work');
    await expect(publishTo('annotated', address)).rejects.toThrow(
      new InputError(
        `${join(outputs, 'annotated')} has my/notes.md, which no run has written: move it, or configure another output folder.`,
      ),
    );
    expect(existsSync(join(outputs, 'annotated', 'my', 'notes.md'))).toBe(true);
  });

  test('is left alone if it has the base model, which a folder of an earlier run can be', async () => {
    const base = join(outputs, 'base');
    cpSync(model, base, { recursive: true });
    writeFileSync(join(base, 'selm.json'), '{}');
    const { address } = await importPolicy(context, base, tinyAdapter);
    await expect(publishTo('base', address)).rejects.toThrow(
      new InputError(`${base} has the model that the policy needs: configure another output folder.`),
    );
    expect(existsSync(join(base, 'model.safetensors'))).toBe(true);
  });

  test('is left alone if it holds anything else', async () => {
    const { address } = await importPolicy(context, model, tinyAdapter);
    const folder = join(outputs, 'mine');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'thesis.txt'), 'years of work');
    await expect(publishTo('mine', address)).rejects.toThrow(
      new InputError(`${folder} is not empty and is not the output of a run: configure another output folder.`),
    );
    expect(readdirSync(folder)).toEqual(['thesis.txt']);
    await expect(publishTo('mine/thesis.txt', address)).rejects.toThrow(
      new InputError(`${join(folder, 'thesis.txt')} is a file: configure another output folder.`),
    );
  });

  test('may be there already if it is empty', async () => {
    const { address } = await importPolicy(context, model, tinyAdapter);
    mkdirSync(join(outputs, 'empty'), { recursive: true });
    await publishTo('empty', address);
    expect(existsSync(join(outputs, 'empty', 'selm.json'))).toBe(true);
  });
});

describe('a chat template of its own', () => {
  const chatTemplate = {
    template: '{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}',
    arguments: { brief: true },
  };

  test('is part of the policy: of its address, of what the engine opens, and of what is published', async () => {
    const plain = await importPolicy(context, model, undefined);
    const { address } = await importPolicy(context, model, undefined, chatTemplate);
    expect(address).not.toBe(plain.address);
    expect((await importPolicy(context, model, undefined, { ...chatTemplate, arguments: {} })).address).not.toBe(
      address,
    );
    const { policy } = await openPolicyArtifact(context.store, address);
    expect(policy).toEqual({ model, chatTemplate });
    await publishTo('templated', address);
    expect(read('templated', 'chat_template.jinja').toString()).toBe(
      `{% set brief = brief if brief is defined else true %}\n${chatTemplate.template}`,
    );
    const { tokenizer } = openPolicyFiles(policy);
    expect(tokenizer().decode(tokenizer().encodePrompt('a'))).toBe(
      openPolicyFiles({ model }).tokenizer().decode(tokenizer().encodePrompt('a')),
    );
    expect(tokenizer().encodePrompt('a')).not.toEqual(openPolicyFiles({ model }).tokenizer().encodePrompt('a'));
  });

  test('is found in the folder of the adapter that it was trained with', async () => {
    const { address } = await importPolicy(context, model, tinyAdapter, chatTemplate);
    await publishTo('adapted', address);
    const again = await importPolicy(context, model, join(outputs, 'adapted'));
    const { policy } = await openPolicyArtifact(context.store, again.address);
    expect(policy.chatTemplate).toEqual({
      template: `{% set brief = brief if brief is defined else true %}\n${chatTemplate.template}`,
    });
  });

  test("goes with its arguments where it is the model's", async () => {
    const templated = tinyModel(join(context.folder, 'templated'));
    writeFileSync(
      join(templated, 'chat_template.jinja'),
      '{% for m in messages %}{{ note }}{{ m.content }}<end>{% endfor %}',
    );
    const { address } = await importPolicy(context, templated, tinyAdapter, { arguments: { note: 'brief' } });
    await publishTo('noted', address);
    const { policy } = await openPolicyArtifact(
      context.store,
      (await importPolicy(context, templated, join(outputs, 'noted'))).address,
    );
    expect(encoded(policy)).toEqual(encoded({ model: templated, chatTemplate: { arguments: { note: 'brief' } } }));
    expect(encoded(policy)).not.toEqual(encoded({ model: templated }));
    await publishTo('as-it-is', (await importPolicy(context, templated, tinyAdapter)).address);
    expect(readdirSync(join(outputs, 'as-it-is'))).not.toContain('chat_template.jinja');
  });
});
