/** Policies whose base model is on the hub. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { optimize } from '../../activities/optimize.ts';
import { importPolicy, openPolicyArtifact } from '../../activities/policy.ts';
import { InputError } from '../../data/errors.ts';
import { writeJsonl } from '../../data/jsonl.ts';
import { objectiveSchema, trainingSchema } from '../../engine/protocol/settings.ts';
import { selm } from '../command.ts';
import { COMMIT, startHub } from '../hub-server.ts';
import { tinyModel, tinyPrompts } from '../tiny-model.ts';
import { referenceLogps } from './reference-logps.ts';
import { testContext } from './context.ts';

const context = testContext();
const cache = join(context.folder, 'cache');
const model = tinyModel(join(context.folder, 'model'));
const files = Object.fromEntries(readdirSync(model).map((name) => [name, readFileSync(join(model, name))]));
const { url } = await startHub({ 'models/org/tiny': { revision: 'main', files } }, cache);
beforeEach(() => {
  Object.assign(process.env, { HF_ENDPOINT: url, HF_HUB_CACHE: cache });
});

describe('a model of the hub', () => {
  test('is kept by its commit: what its branch becomes later is another model', async () => {
    const { address } = await importPolicy(context, 'org/tiny', undefined);
    const { base, policy } = await openPolicyArtifact(context.store, address);
    expect(base.source).toBe(`org/tiny@${COMMIT}`);
    expect(readFileSync(join(policy.model, 'model.safetensors'))).toEqual(files['model.safetensors']);
  });

  test('is named by the adapters trained on it, wherever this machine keeps it', async () => {
    const rows = tinyPrompts(4).map((prompt) => ({ ...prompt, chosen: 'a', rejected: 'b', reference_response: 'c' }));
    const recipe = { step: 'test', parameters: {}, inputs: {}, seed: 0, engineVersion: 'test' };
    const preferences = await context.store.create('preferences', recipe, (folder) =>
      writeJsonl(join(folder, 'preferences.jsonl'), rows),
    );
    process.env['HF_HUB_CACHE'] = join(context.folder, 'elsewhere');
    const { address: policy } = await importPolicy(context, 'org/tiny', undefined);
    const training = trainingSchema.parse({ lora: { rank: 2 } });
    const input = {
      policy,
      preferences,
      reference: await referenceLogps(context, { policy, preferences }, training, 4),
      objective: objectiveSchema.parse({}),
      training,
      seed: 0,
      threads: 2,
      checkpointSeconds: 60,
    };
    const { address } = await optimize(context, input, {});
    const opened = await openPolicyArtifact(context.store, address);
    expect(opened.policy.model).toContain(join(context.folder, 'elsewhere'));
    expect(JSON.parse(readFileSync(join(opened.policy.adapter!, 'adapter_config.json'), 'utf8'))).toMatchObject({
      base_model_name_or_path: 'org/tiny',
      revision: COMMIT,
    });
  });

  test('is named by an adapter that a command trains on it', async () => {
    const [demonstrations, out] = ['demonstrations.jsonl', 'sft'].map((name) => join(context.folder, name));
    await writeJsonl(
      demonstrations,
      tinyPrompts(2).map(({ prompt }) => ({ prompt, completion: 'Hello.' })),
    );
    const flags = { model: 'org/tiny', demonstrations, out, 'lora-rank': '2', epochs: '1' };
    const args = Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, value]);
    const environment = { HF_ENDPOINT: url, HF_HUB_CACHE: cache };
    expect(await selm(['sft', ...args], environment)).toMatchObject({ code: 0 });
    expect(JSON.parse(readFileSync(join(out, 'adapter_config.json'), 'utf8'))).toMatchObject({
      base_model_name_or_path: 'org/tiny',
      revision: COMMIT,
    });
  });

  test('that cannot be reached just now is worth another try', async () => {
    const { address } = await importPolicy(context, 'org/tiny', undefined);
    process.env['HF_ENDPOINT'] = 'http://127.0.0.1:1';
    const failure = await openPolicyArtifact(context.store, address).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(Error);
    // An InputError would not be retried.
    expect(failure).not.toBeInstanceOf(InputError);
  });
});
