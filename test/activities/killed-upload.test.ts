/** A worker that is killed while it uploads a checkpoint of a training of all weights. */
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { optimize } from '../../activities/optimize.ts';
import { importPolicy, MODEL, openPolicyArtifact } from '../../activities/policy.ts';
import { Bucket } from '../../artifacts/s3-bucket.ts';
import { S3Store } from '../../artifacts/s3-store.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import { writeJsonl } from '../../data/jsonl.ts';
import { TOKENIZER_FILES } from '../../data/model-files.ts';
import { forkModule } from '../../engine/process/fork.ts';
import type { Progress } from '../../engine/protocol/jobs.ts';
import { objectiveSchema, trainingSchema } from '../../engine/protocol/settings.ts';
import { startFaultProxy, type FaultProxy } from '../artifacts/fault-proxy.ts';
import { clientConfig, startVersitygw, type S3Server } from '../artifacts/versitygw.ts';
import { describeTorch, twoRanks } from '../engine/torch/environment.ts';
import { tinyModel, tinyPrompts } from '../tiny-model.ts';
import { testContext } from './context.ts';

const here = testContext();
const { folder } = here;
const model = tinyModel(join(folder, 'model'));
let server: S3Server;
let proxy: FaultProxy;
beforeAll(async () => {
  server = await startVersitygw(folder, ['selm']);
  proxy = await startFaultProxy(server.port);
});
afterAll(async () => {
  proxy.stop();
  await server.stop();
});

const machine = (name: string): ArtifactStore =>
  new S3Store(new Bucket('s3://selm', clientConfig(server.port)), { folder: join(folder, name), limitBytes: 1e9 });

/** The input of a training, with its artifacts in the store. */
async function inputIn(store: ArtifactStore) {
  const rows = tinyPrompts(16).map((prompt, i) => ({
    ...prompt,
    chosen: `a${i}`,
    rejected: `b${i}`,
    reference_response: 'c',
  }));
  const recipe = { step: 'test', parameters: {}, inputs: {}, seed: 0 };
  const { address: policy } = await importPolicy({ ...here, store }, model, undefined);
  const preferences = await store.create('preferences', recipe, (target) =>
    writeJsonl(join(target, 'preferences.jsonl'), rows),
  );
  return {
    policy,
    preferences,
    reference: [],
    objective: objectiveSchema.parse({ name: 'simpo' }),
    training: trainingSchema.parse({ full: true, learningRate: 1e-3, batchSize: 4, epochs: 10 }),
    seed: 1,
    ...twoRanks,
    checkpointSeconds: 1e-3,
  };
}

const weightsIn = async (store: ArtifactStore, address: string) =>
  readFileSync(join(await store.open(address), MODEL, 'model.safetensors')).toString('base64');

describeTorch('a worker that is killed during the upload of a checkpoint', () => {
  test('leaves the earlier one, from which another machine trains to the same bits', async () => {
    const undisturbed = await optimize(here, await inputIn(here.store), {});
    const input = await inputIn(machine('a'));

    const argument = JSON.stringify({ port: proxy.port, folder: join(folder, 'a'), input });
    let uploads = 0;
    const [uploaded] = await new Promise<unknown[]>((resolve) => {
      const worker = forkModule(new URL('./training-process.ts', import.meta.url), [argument]);
      let latest = '';
      proxy.fault = (method, path) => {
        if (method !== 'PUT' || !path.includes('/checkpoints/')) return undefined;
        const [, name] = /\/(step-\d+)\//.exec(path) ?? [];
        if (!name) return undefined;
        if (latest !== '' && name > latest && existsSync(pointer()) && ++uploads === 2) {
          // The first of its files is on the way, the others are not.
          worker.kill('SIGKILL');
          void once(worker, 'exit').then(() => resolve([JSON.parse(readFileSync(pointer(), 'utf8'))]));
          return { kind: 'cut-request', after: 0 };
        }
        latest ||= name;
        return undefined;
      };
    });
    const { name } = uploaded as { name: string };
    const partial = readdirSync(join(server.root, 'selm', 'checkpoints', keyOf())).filter((entry) => entry > name);
    expect(partial.every((entry) => entry.startsWith('step-'))).toBe(true);

    const progress: Progress[] = [];
    const b = machine('b');
    const { address } = await optimize({ ...here, store: b }, input, {
      onProgress: (each) => void progress.push(each),
    });
    const [resumed] = progress.flatMap(({ resumedFromStep }) => resumedFromStep ?? []);
    expect(resumed).toBe(Number(name.slice('step-'.length)));
    expect(address).toBe(undisturbed.address);
    expect(await weightsIn(b, address)).toBe(await weightsIn(here.store, undisturbed.address));
    // A worker that needs its tokenizer only, such as the control worker, fetches no weights.
    const { policy } = await openPolicyArtifact(machine('control'), address, TOKENIZER_FILES);
    expect(readdirSync(policy.model)).toContain('tokenizer.json');
    expect(readdirSync(policy.model)).not.toContain('model.safetensors');
    // Nothing of the checkpoints is left.
    expect(existsSync(pointer())).toBe(false);
  });
});

const keyOf = () => readdirSync(join(server.root, 'selm', 'checkpoints'))[0];
const pointer = () => {
  const checkpoints = join(server.root, 'selm', 'checkpoints');
  return join(checkpoints, existsSync(checkpoints) ? (readdirSync(checkpoints)[0] ?? '') : '', 'latest');
};
