/** A whole run whose answers a server samples, by each round's adapter: `selm serve` as the server. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { openPolicyArtifact } from '../../activities/policy.ts';
import { LocalStore } from '../../artifacts/local-store.ts';
import type { Address } from '../../artifacts/manifest.ts';
import { readSampled } from '../../data/readers.ts';
import type { RunStatus } from '../../workflows/status.ts';
import { selm, summaryOf, type Ended } from '../command.ts';
import { startServe, type Serving } from '../openai/server/serve.ts';
import { temporaryFolder } from '../temporary.ts';
import { tinyModel, tinyPrompts } from '../tiny-model.ts';
import { startEngine } from '../../engine/backends.ts';

const folder = temporaryFolder();
const model = tinyModel(join(folder, 'model'));
const home = { SELM_HOME: join(folder, 'home') };
const store = new LocalStore(join(home.SELM_HOME, 'artifacts'));
const engine = startEngine();
let serving: Serving;
let ended: Ended;

beforeAll(async () => {
  serving = await startServe(model, ['--name', 'tiny', '--adapters', folder]);
  writeFileSync(
    join(folder, 'train.jsonl'),
    tinyPrompts(40)
      .map((row) => `${JSON.stringify(row)}\n`)
      .join(''),
  );
  const config = {
    name: 'served',
    model: './model',
    prompts: { train: './train.jsonl', heldOut: 8 },
    rounds: 2,
    sample: {
      samplesPerPrompt: 4,
      temperature: 1,
      maxNewTokens: 12,
      shardSize: 10,
      server: { url: serving.url, model: 'tiny', adapterFolder: './adapters' },
    },
    optimize: { learningRate: 1e-2, batchSize: 8, epochs: 4, objective: { beta: 0.1 } },
    evaluate: { maxNewTokens: 12 },
  };
  writeFileSync(join(folder, 'served.yaml'), stringify(config));
  ended = await selm(['run', join(folder, 'served.yaml'), '--json'], home);
});
afterAll(async () => {
  await engine.close();
  await serving.stop();
});

/** The answers that a server has sampled, with the policy that they are said to be of. */
async function servedShards() {
  const made = (await store.list()).filter(
    ({ manifest: { recipe } }) => recipe.step === 'sample' && recipe.backend === undefined,
  );
  return Promise.all(
    made.map(async ({ address, manifest }) => ({
      policy: manifest.recipe.inputs['policy'] as Address,
      rows: await readSampled(join(await store.open(address), 'responses.jsonl')),
    })),
  );
}

it('ends, its second round sampled from the adapter that its first has trained', async () => {
  expect(ended.code, ended.stderr).toBe(0);
  const { results } = summaryOf<RunStatus>(ended);
  expect(results.map(({ accepted }) => accepted)).toEqual([true, true]);
  const shards = await servedShards();
  // Two shards of prompts a round, and the held-out prompts by three policies.
  expect(shards).toHaveLength(7);
  const second = shards.filter(({ policy }) => policy === results[0].policy);
  expect(second).toHaveLength(3);

  // What the server says of its answers is what the engine says of them under that policy, and not under the model.
  const rows = second.flatMap(({ rows: found }) => found);
  const { policy } = await openPolicyArtifact(store, results[0].policy);
  const answered = rows.flatMap(({ prompt, responses }) =>
    responses.map(({ token_ids }) => ({ prompt, response_input_ids: token_ids })),
  );
  const told = rows.flatMap(({ responses }) => responses.map(({ logp }) => logp!));
  const farthest = async (scored: typeof policy) => {
    const scores = await engine.run('score', { policy: scored, rows: answered });
    return Math.max(...scores.map(({ logp }, i) => Math.abs(logp - told[i])));
  };
  expect(await farthest(policy)).toBeLessThan(1e-3);
  expect(await farthest({ model })).toBeGreaterThan(0.5);
});

it('leaves no adapter with the server', async () => {
  expect((await serving.models()).map(({ id }) => id)).toEqual(['tiny']);
});

it('is verified, without what the server has sampled and what was imported, which is reported', async () => {
  const verified = await selm(['verify', 'served', '--json'], home);
  expect(verified.code, verified.stderr).toBe(0);
  const { steps, same, skipped } = summaryOf<{ steps: number; same: number; skipped: number }>(verified);
  expect([steps > 10, same, skipped]).toEqual([true, steps, 11]);
  expect(verified.stderr.match(/sample +\w{12} skipped: sampled by a server/g)).toHaveLength(7);
  // The policy, the held-out prompts and those of two rounds.
  expect(verified.stderr.match(/import-\w+ +\w{12} skipped: imported/g)).toHaveLength(4);
});
