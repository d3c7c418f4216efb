/** A step that begins on one machine and ends on another. Both use the same S3 bucket. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { label } from '../../activities/label.ts';
import { optimize } from '../../activities/optimize.ts';
import { prefer } from '../../activities/prefer.ts';
import { prepare } from '../../activities/prepare.ts';
import { sample } from '../../activities/sample.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import { Bucket } from '../../artifacts/s3-bucket.ts';
import { S3Store } from '../../artifacts/s3-store.ts';
import { writeJsonl } from '../../data/jsonl.ts';
import { JobAborted } from '../../engine/protocol/errors.ts';
import type { Progress } from '../../engine/protocol/jobs.ts';
import { samplingSchema, trainingSchema } from '../../engine/protocol/settings.ts';
import { clientConfig, startVersitygw, type S3Server } from '../artifacts/versitygw.ts';
import { tinyLimits, tinyModel, tinyPrompts } from '../tiny-model.ts';
import { referenceLogps } from './reference-logps.ts';
import { testContext } from './context.ts';

const here = testContext();
const { folder, store: local } = here;
const model = tinyModel(join(folder, 'model'));
const train = join(folder, 'train.jsonl');
let server: S3Server;
beforeAll(async () => {
  server = await startVersitygw(folder, ['selm']);
  await writeJsonl(train, tinyPrompts(40));
});
afterAll(() => server.stop());

const machine = (name: string): ArtifactStore =>
  new S3Store(new Bucket('s3://selm', clientConfig(server.port)), { folder: join(folder, name), limitBytes: 1e9 });

const verifier = { by: 'verifier' } as const;
const threads = 2;

/** Runs a round up to its preferences. */
async function preferencesIn(store: ArtifactStore) {
  const context = { ...here, store };
  const { policy, rounds } = await prepare(
    context,
    { model, prompts: { train, heldOut: 8 }, limits: tinyLimits, label: verifier, rounds: 1, seed: 0 },
    {},
  );
  const settings = samplingSchema.parse({ samplesPerPrompt: 4, temperature: 1, maxNewTokens: 12 });
  const shard = { policy, prompts: rounds[0].address, from: 0, to: rounds[0].count, settings, seed: 1, threads };
  const { address } = await sample(context, shard, {});
  const { address: labels } = await label(context, { responses: address, label: verifier, threads }, {});
  const { address: preferences, summary } = await prefer(context, { labels: [labels], truncated: 'keep' }, {});
  const reference = await referenceLogps(context, { policy, preferences }, training, summary.preferences);
  return { policy, preferences, reference };
}

const training = trainingSchema.parse({ learningRate: 1e-3, batchSize: 4, epochs: 4, lora: { rank: 4 } });
const objective = { name: 'selm', beta: 0.1, alpha: 1e-3 } as const;
const input = (made: { policy: string; preferences: string; reference: string[] }) => ({
  ...made,
  objective,
  training,
  seed: 1,
  threads,
  checkpointSeconds: 1e-3,
});

const adapterOf = async (store: ArtifactStore, address: string) =>
  createHash('sha256')
    .update(readFileSync(join(await store.open(address), 'adapter', 'adapter_model.safetensors')))
    .digest('hex');

test('a training goes on from the checkpoint of another machine, to the same adapter', async () => {
  const undisturbed = await optimize(here, input(await preferencesIn(local)), {});

  const a = machine('a');
  const made = await preferencesIn(a);
  const stop = new AbortController();
  let last = 0;
  const onProgress = ({ unit, done, checkpoint }: Progress) => {
    if (unit === 'steps') last = done;
    // A checkpoint is reported after it is in the store.
    if (checkpoint && done >= 3) stop.abort();
  };
  await expect(optimize({ ...here, store: a }, input(made), { onProgress, signal: stop.signal })).rejects.toThrow(
    JobAborted,
  );
  expect(last).toBeGreaterThanOrEqual(3);

  const b = machine('b');
  const steps: number[] = [];
  const note = ({ unit, done, metrics }: Progress) => void (unit === 'steps' && metrics && steps.push(done));
  const { address } = await optimize({ ...here, store: b }, input(made), { onProgress: note });
  expect(steps[0]).toBe(last + 1);
  expect(address).toBe(undisturbed.address);
  expect(await adapterOf(b, address)).toBe(await adapterOf(local, undisturbed.address));
  // The other machine finds the artifact, too.
  expect((await optimize({ ...here, store: a }, input(made), {})).reused).toBe(true);
});
