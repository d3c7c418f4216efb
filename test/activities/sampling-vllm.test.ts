/** Sampling by the worker's own vLLM: real steps, with `selm serve` in its place. The real one is in test/vllm. */
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { prepare } from '../../activities/prepare.ts';
import { sample } from '../../activities/sample.ts';
import { writeJsonl } from '../../data/jsonl.ts';
import { readSampled } from '../../data/readers.ts';
import { Secret } from '../../data/secret.ts';
import type { Policy } from '../../engine/protocol/jobs.ts';
import { samplingSchema } from '../../engine/protocol/settings.ts';
import { startServe, type Serving } from '../openai/server/serve.ts';
import { tinyAdapter, tinyLimits, tinyModel, tinyPrompts } from '../tiny-model.ts';
import { testContext } from './context.ts';

const context = testContext();
const { store, folder } = context;
const model = tinyModel(join(folder, 'model'));
const train = join(folder, 'train.jsonl');
await writeJsonl(train, tinyPrompts(6));
const shared = { prompts: { train, heldOut: 2 }, limits: tinyLimits, label: { by: 'verifier' as const } };
const prepared = await prepare(context, { ...shared, model, adapter: tinyAdapter, rounds: 1, seed: 0 }, {});

let serving: Serving;
beforeAll(async () => {
  serving = await startServe(model, ['--name', 'policy', '--adapters', folder]);
});
afterAll(() => serving.stop());

const died = new AbortController();
const served: { policy: Policy; tokens: number }[] = [];
const vllm = {
  version: async ({ args }: { args: string[] }) => ({ version: '1.2.3', dtype: 'float32', args }),
  serve: async (policy: Policy, tokens: number) => {
    served.push({ policy, tokens });
    return {
      url: serving.url,
      key: new Secret('not asked for'.replaceAll(' ', '-')),
      model: 'policy',
      concurrency: 4,
      died: died.signal,
    };
  },
};

const settings = samplingSchema.parse({ maxNewTokens: 12 });
const input = { prompts: prepared.rounds[0].address, from: 0, to: 4, settings, seed: 3, threads: 2 };
const rowsOf = async (address: string) => readSampled(join(await store.open(address), 'responses.jsonl'));
const tokensOf = (rows: Awaited<ReturnType<typeof rowsOf>>) =>
  rows.map(({ responses }) => responses.map(({ token_ids }) => token_ids));

/** A policy that is a whole model. */
async function wholePolicy() {
  const { recipe } = await store.manifest(prepared.policy);
  return store.create('policy', { ...recipe, seed: 1 }, async (target) => {
    cpSync(model, join(target, 'model'), { recursive: true });
    writeFileSync(join(target, 'base.json'), '{}');
  });
}

test.each([
  ['an adapter', async () => prepared.policy],
  ['all weights', wholePolicy],
])('a policy with %s gives the tokens that the engine gives', async (_, policyOf) => {
  const policy = await policyOf();
  const own = await sample(context, { ...input, policy }, {});
  const counted = { prompt_tokens: 0, sampled_tokens: 0 };
  const countTokens = (metric: keyof typeof counted, tokens: number) => void (counted[metric] += tokens);
  const { address, summary } = await sample(
    { ...context, vllm, countTokens },
    { ...input, policy, vllm: { args: ['--x'] } },
    {},
  );
  const rows = await rowsOf(address);
  expect(tokensOf(rows)).toEqual(tokensOf(await rowsOf(own.address)));
  expect(summary).toEqual(own.summary);
  expect(counted).toEqual({ prompt_tokens: own.summary.promptTokens, sampled_tokens: own.summary.sampledTokens });

  const { recipe } = await store.manifest(address);
  const { batchSize: _size, weights: _weights, ...sampling } = settings;
  expect(recipe).toEqual({
    step: 'sample',
    parameters: { from: 0, to: 4, settings: sampling, vllm: { version: '1.2.3', dtype: 'float32', args: ['--x'] } },
    inputs: { policy, prompts: input.prompts },
    seed: 3,
  });
  const longest = Math.max(...rows.map(({ prompt_input_ids }) => prompt_input_ids!.length));
  expect(served.at(-1)!.tokens).toBe(longest + settings.maxNewTokens);
});

test('a server that has died ends the step with its last words', async () => {
  died.abort(new Error('vLLM was killed'));
  const failing = sample({ ...context, vllm }, { ...input, seed: 4, policy: prepared.policy, vllm: { args: [] } }, {});
  await expect(failing).rejects.toThrow('vLLM was killed');
});
