/** Reference log-probabilities by a server, which answers as vLLM does, with the engine's numbers. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { afterAll, expect, test } from 'vitest';
import { label } from '../../activities/label.ts';
import { prefer } from '../../activities/prefer.ts';
import { prepare } from '../../activities/prepare.ts';
import { reference, REFERENCE_LOGPS } from '../../activities/reference.ts';
import { sampleByEngine } from '../../activities/sample.ts';
import { readJsonl, writeJsonl } from '../../data/jsonl.ts';
import { referenceLogpsSchema } from '../../data/records.ts';
import { samplingSchema } from '../../engine/protocol/settings.ts';
import { labelSchema } from '../../labelers/index.ts';
import { samplerSchema } from '../../openai/client/sampler-settings.ts';
import { tinyLimits, tinyModel, tinyPrompts } from '../tiny-model.ts';
import { testContext } from './context.ts';

const context = testContext();
const { store, folder, engine } = context;
const model = tinyModel(join(folder, 'model'));
const train = join(folder, 'train.jsonl');
await writeJsonl(train, tinyPrompts(8));
const verifier = labelSchema.parse({ by: 'verifier' });

const server = createServer(async (request, response) => {
  const { prompt } = (await json(request)) as { prompt: number[] };
  const [scores] = await engine.run('scoreTokens', { policy: { model }, sequences: [prompt] });
  const prompt_logprobs = [null, ...scores.map(({ logp }, i) => ({ [prompt[i + 1]]: { logprob: logp } }))];
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ choices: [{ text: '', prompt_logprobs }] }));
}).listen(0, '127.0.0.1');
await once(server, 'listening');
afterAll(() => server.close());

test('they are those of the engine, and a step whose key names the model on the server', async () => {
  const { policy, rounds } = await prepare(
    context,
    { model, prompts: { train, heldOut: 2 }, limits: tinyLimits, label: verifier, rounds: 1, seed: 0 },
    {},
  );
  const settings = samplingSchema.parse({ samplesPerPrompt: 4, temperature: 1, maxNewTokens: 8 });
  const sampling = { policy, prompts: rounds[0].address, from: 0, to: 6, settings, seed: 3, threads: 2 };
  const { address: responses } = await sampleByEngine(context, sampling, {});
  const { address: labels } = await label(context, { responses, label: verifier, threads: 2 }, {});
  const { address: preferences, summary } = await prefer(context, { labels: [labels], truncated: 'keep' }, {});
  expect(summary.preferences).toBeGreaterThan(1);

  const limits = { maxLength: 1024, maxPromptLength: 512 };
  const input = { policy, preferences, from: 0, to: summary.preferences, limits, threads: 2 };
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  const served = await reference(context, { ...input, server: samplerSchema.parse({ url, model: 'tiny' }) }, {});
  const own = await reference(context, input, {});
  const logpsOf = async (address: string) =>
    readJsonl(join(await store.open(address), REFERENCE_LOGPS), referenceLogpsSchema);
  const [theirs, ours] = [await logpsOf(served.address), await logpsOf(own.address)];
  expect(theirs).toHaveLength(summary.preferences);
  for (const [i, row] of theirs.entries()) {
    for (const [role, logp] of Object.entries(row)) expect(logp).toBeCloseTo(ours[i][role as keyof typeof row], 3);
  }
  const { recipe } = await store.manifest(served.address);
  expect(recipe).toEqual({
    step: 'reference',
    parameters: { from: 0, to: summary.preferences, limits, server: { model: 'tiny' } },
    inputs: { policy, preferences },
    seed: 0,
  });
});
