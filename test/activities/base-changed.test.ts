/** Base models whose files change between or during the steps of a run: their files are not in the store. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { optimize } from '../../activities/optimize.ts';
import { importPolicy, MODEL } from '../../activities/policy.ts';
import type { StepContext } from '../../activities/step.ts';
import { InputError } from '../../data/errors.ts';
import { writeJsonl } from '../../data/jsonl.ts';
import { objectiveSchema, trainingSchema } from '../../engine/protocol/settings.ts';
import { tinyModel, tinyPrompts } from '../tiny-model.ts';
import { testContext } from './context.ts';
import { referenceLogps } from './reference-logps.ts';

const context = testContext();
const { store, engine } = context;
const rows = tinyPrompts(4).map((prompt) => ({ ...prompt, chosen: 'a', rejected: 'b', reference_response: 'c' }));
const training = trainingSchema.parse({ full: true, learningRate: 1e-3 });

async function placed(name: string) {
  const model = tinyModel(join(context.folder, name));
  const { address: policy } = await importPolicy(context, model, undefined);
  const recipe = { step: 'test', parameters: { name }, inputs: {}, seed: 0, engineVersion: 'test' };
  const preferences = await store.create('preferences', recipe, (folder) =>
    writeJsonl(join(folder, 'preferences.jsonl'), rows),
  );
  const tokenizer = join(model, 'tokenizer.json');
  return { model, tokenizer, content: readFileSync(tokenizer), made: { policy, preferences } };
}

const inputOf = async (made: { policy: string; preferences: string }) => ({
  ...made,
  reference: await referenceLogps(context, made, training, rows.length),
  objective: objectiveSchema.parse({}),
  training,
  seed: 0,
  threads: 2,
  checkpointSeconds: 60,
});

const changed = (model: string) =>
  `The files of the model ${model} have changed since the run began: restore them, or start a run of another name for the new ones.`;

test('a model that is not the one of the run is refused, and used again when it is restored', async () => {
  const { model, tokenizer, content, made } = await placed('between');
  writeFileSync(tokenizer, content.subarray(0, 100));
  await expect(inputOf(made)).rejects.toThrow(new InputError(changed(model)));
  writeFileSync(tokenizer, content);
  expect((await inputOf(made)).reference).toHaveLength(1);
});

test('a model that changes while a policy is trained does not get into it', async () => {
  const { model, tokenizer, content, made } = await placed('during');
  const input = await inputOf(made);
  const damaging: StepContext['engine'] = {
    ...engine,
    run: (method, job, options) =>
      engine.run(method, job, {
        ...options,
        // After a step: the rows are tokenized, and the trained model is not written yet.
        onProgress: (progress) => {
          writeFileSync(tokenizer, content.subarray(0, 100));
          options?.onProgress?.(progress);
        },
      }),
  };
  await expect(optimize({ ...context, engine: damaging }, input, {})).rejects.toThrow(new InputError(changed(model)));
  writeFileSync(tokenizer, content);
  const { address } = await optimize(context, input, {});
  expect(readFileSync(join(await store.open(address), MODEL, 'tokenizer.json'))).toEqual(content);
});
