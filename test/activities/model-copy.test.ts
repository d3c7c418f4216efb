/** Models of the hub in a store that several machines share: a hub that can be switched off, and an S3 server. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { importPolicy, openPolicyArtifact } from '../../activities/policy.ts';
import { prepare } from '../../activities/prepare.ts';
import { sample } from '../../activities/sample.ts';
import { copyModel, storedModels } from '../../artifacts/copy-model.ts';
import { ArtifactDamaged } from '../../artifacts/errors.ts';
import { copiedModel, modelFolder } from '../../artifacts/models.ts';
import { Bucket } from '../../artifacts/s3-bucket.ts';
import { S3Store } from '../../artifacts/s3-store.ts';
import { HubFailed } from '../../data/errors.ts';
import { resolveModel } from '../../data/hub/models.ts';
import { writeJsonl } from '../../data/jsonl.ts';
import { HUB_MODEL_FILES, TOKENIZER_FILES } from '../../data/model-files.ts';
import type { Progress } from '../../engine/protocol/jobs.ts';
import { samplingSchema } from '../../engine/protocol/settings.ts';
import { findGarbage } from '../../workers/garbage.ts';
import { clientConfig, startVersitygw, type S3Server } from '../artifacts/versitygw.ts';
import { COMMIT, startHub } from '../hub-server.ts';
import { tinyLimits, tinyModel, tinyPrompts } from '../tiny-model.ts';
import { testContext } from './context.ts';

const here = testContext();
const { folder } = here;
const model = tinyModel(join(folder, 'model'));
const files = Object.fromEntries(readdirSync(model).map((name) => [name, readFileSync(join(model, name))]));
const shards = ['model-00001.safetensors', 'model-00002.safetensors'];
const large = Object.fromEntries(shards.map((name) => [name, randomBytes(20 * 2 ** 20)]));
const hub = await startHub(
  {
    'models/org/tiny': { revision: 'main', files, large: ['model.safetensors'] },
    'models/org/large': {
      revision: 'main',
      files: { ...large, 'config.json': Buffer.from('{}') },
      large: Object.keys(large),
    },
  },
  join(folder, 'hub'),
);
let server: S3Server;
beforeAll(async () => {
  server = await startVersitygw(folder, ['selm']);
});
afterAll(() => server.stop());

let prefix: string;
beforeEach(({ task }) => {
  prefix = task.id;
  hub.downloads.length = 0;
  hub.sent = (_, content) => content;
  process.env['HF_ENDPOINT'] = hub.url;
});

/** Another machine: with a cache of the store and a hub cache of its own, from now on. */
function machine(name: string) {
  process.env['HF_HUB_CACHE'] = join(folder, prefix, name, 'hub');
  const bucket = new Bucket(`s3://selm/${prefix}`, clientConfig(server.port));
  const store = new S3Store(bucket, { folder: join(folder, prefix, name, 'store'), limitBytes: 1e9 });
  return { ...here, store, cacheFolder: join(folder, prefix, name, 'cache') };
}
const switchOffHub = () => (process.env['HF_ENDPOINT'] = 'http://127.0.0.1:1');
const objects = () => join(server.root, 'selm', prefix, 'objects');
const stored = () => (existsSync(objects()) ? (readdirSync(objects(), { recursive: true }) as string[]) : []);
const url = (path: string) => JSON.stringify(new URL(`../../${path}`, import.meta.url).href);
/** The files of the machine's hub cache that use disk, by size. */
const blobsOf = (name: string) =>
  readdirSync(join(folder, prefix, name, 'hub'), { recursive: true, withFileTypes: true }).flatMap((entry) =>
    entry.isFile() ? [lstatSync(join(entry.parentPath, entry.name)).size] : [],
  );
const copyOf = async ({ store }: ReturnType<typeof machine>) =>
  (await store.list()).find(({ manifest }) => copiedModel(manifest.recipe) === `org/tiny@${COMMIT}`)!;

test('a run asks the hub once for each file; then every worker computes it without the hub', async () => {
  const train = join(folder, 'train.jsonl');
  await writeJsonl(train, tinyPrompts(40));
  const label = { by: 'judge', model: 'org/tiny', mode: 'pairwise', pairs: 'all', maxTokens: 4 } as never;
  const input = { model: 'org/tiny', prompts: { train, heldOut: 8 }, limits: tinyLimits, label, rounds: 1, seed: 0 };
  const reported: Progress[] = [];
  const control = machine('control');
  const { policy, rounds } = await prepare(control, input, { onProgress: (progress) => void reported.push(progress) });
  expect(hub.downloads.toSorted()).toEqual(Object.keys(files).sort());
  const bytes = Object.values(files).reduce((sum, { length }) => sum + length, 0);
  expect(reported.findLast(({ unit }) => unit === 'MB')).toMatchObject({ total: Math.ceil(bytes / 1e6) });
  // The weights are on no disk of the control worker.
  expect(blobsOf('control')).not.toContain(files['model.safetensors'].length);
  expect(readdirSync(control.cacheFolder)).toEqual([]);

  switchOffHub();
  const settings = samplingSchema.parse({ samplesPerPrompt: 2, temperature: 1, maxNewTokens: 4 });
  const shard = { policy, prompts: rounds[0].address, from: 0, to: 4, settings, seed: 1, threads: 1 };
  const [first, second] = [machine('a'), machine('b')];
  process.env['HF_HUB_CACHE'] = join(folder, prefix, 'a', 'hub');
  const { address } = await sample(first, shard, {});
  const opened = await openPolicyArtifact(machine('c').store, policy);
  for (const name of Object.keys(files)) expect(readFileSync(join(opened.policy.model, name))).toEqual(files[name]);
  // Labelers, too, use the commit that the run's preparation copied.
  const models = storedModels(second.store.models);
  expect(await models.pin('org/tiny')).toBe(`org/tiny@${COMMIT}`);
  expect(readFileSync(join(await models.folder(`org/tiny@${COMMIT}`), 'config.json'))).toEqual(files['config.json']);

  // What is computed does not depend on where the model comes from.
  Object.assign(process.env, { HF_ENDPOINT: hub.url, HF_HUB_CACHE: join(folder, prefix, 'laptop') });
  expect((await importPolicy(here, 'org/tiny', undefined)).address).toBe(policy);
  const prepared = await prepare(here, { ...input, label: { by: 'verifier' } }, {});
  expect((await sample(here, { ...shard, prompts: prepared.rounds[0].address }, {})).address).toBe(address);
});

test('a worker that needs the tokenizer only fetches no weights', async () => {
  const { address } = await importPolicy(machine('control'), 'org/tiny', undefined);
  switchOffHub();
  const { policy } = await openPolicyArtifact(machine('a').store, address, TOKENIZER_FILES);
  expect(readdirSync(policy.model)).not.toContain('model.safetensors');
  expect(existsSync(join(policy.model, 'tokenizer.json'))).toBe(true);
});

test('a copy that was killed goes on: files that the store has are not read from the hub again', async () => {
  // The second file comes only half, however often it is asked for.
  hub.sent = (path, content) => (path === shards[1] ? content.subarray(0, content.length / 2) : content);
  const script = `
    import { Bucket } from ${url('artifacts/s3-bucket.ts')};
    import { S3Models } from ${url('artifacts/s3-models.ts')};
    import { copyModel } from ${url('artifacts/copy-model.ts')};
    const bucket = new Bucket('s3://selm/${prefix}', ${JSON.stringify(clientConfig(server.port))});
    await copyModel(new S3Models(bucket, console.warn), 'org/large');`;
  const env = { ...process.env, HF_HUB_CACHE: join(folder, prefix, 'killed') };
  const killed = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    env,
    stdio: 'ignore',
  });
  const exit = once(killed, 'exit');
  await expect
    .poll(() => stored().some((path) => path.endsWith(shards[0])) && hub.downloads.includes(shards[1]))
    .toBe(true);
  killed.kill('SIGKILL');
  await exit;
  expect(stored().filter((path) => /manifest|00002/.test(path))).toEqual([]);

  hub.downloads.length = 0;
  hub.sent = (_, content) => content;
  const { store } = machine('control');
  const { id } = await copyModel(store.models, 'org/large');
  expect(hub.downloads).not.toContain(shards[0]);
  expect(hub.downloads).toContain(shards[1]);
  switchOffHub();
  const fetched = await modelFolder(machine('a').store.models, id);
  for (const shard of shards) expect(readFileSync(join(fetched, shard)).equals(large[shard])).toBe(true);
});

test('a download from the hub that breaks off goes on', async () => {
  let sent = 0;
  hub.sent = (path, content) => (path === shards[0] && sent++ < 2 ? content.subarray(0, sent * 5 * 2 ** 20) : content);
  const { id } = await copyModel(machine('control').store.models, 'org/large');
  expect(sent).toBe(3);
  const fetched = await modelFolder(machine('a').store.models, id);
  for (const shard of shards) expect(readFileSync(join(fetched, shard)).equals(large[shard])).toBe(true);
});

test('a machine that has the model in its hub cache does not download it again for the copy', async () => {
  const laptop = machine('laptop');
  await resolveModel('org/tiny');
  hub.downloads.length = 0;
  await copyModel(laptop.store.models, 'org/tiny');
  expect(hub.downloads).toEqual([]);
  const fetched = await modelFolder(machine('a').store.models, `org/tiny@${COMMIT}`);
  expect(readFileSync(join(fetched, 'model.safetensors'))).toEqual(files['model.safetensors']);
});

test('a file whose content differs from the hash that the hub lists is not stored', async () => {
  const { models } = machine('control').store;
  const changed = Buffer.from(large[shards[0]]);
  changed[5] ^= 1;
  hub.sent = (path, content) => (path === shards[0] ? changed : content);
  await expect(copyModel(models, 'org/large')).rejects.toThrow(HubFailed);
  expect(await models.find(`org/large@${COMMIT}`, HUB_MODEL_FILES)).toBeUndefined();
  expect(readdirSync(objects(), { recursive: true }).filter((path) => String(path).endsWith(shards[0]))).toEqual([]);
});

test('a damaged file is reported, and the next preparation repairs the copy', async () => {
  const control = machine('control');
  const { address } = await importPolicy(control, 'org/tiny', undefined);
  const copy = await copyOf(control);
  const damaged = Buffer.from(files['model.safetensors']);
  damaged[damaged.length - 5] ^= 1;
  writeFileSync(join(objects(), copy.address, 'model.safetensors'), damaged);
  const worker = machine('a').store;
  const opening = openPolicyArtifact(worker, address);
  await expect(opening).rejects.toThrow(ArtifactDamaged);
  await expect(opening).rejects.toThrow(`model.safetensors of the copy of org/tiny@${COMMIT} was changed`);
  // Nothing of it is in the worker's cache.
  expect(blobsOf('a')).not.toContain(damaged.length);
  hub.downloads.length = 0;
  await importPolicy(machine('control'), 'org/tiny', undefined);
  expect(hub.downloads).toEqual(['model.safetensors']);
  process.env['HF_HUB_CACHE'] = join(folder, prefix, 'a', 'hub');
  const { policy } = await openPolicyArtifact(worker, address);
  expect(readFileSync(join(policy.model, 'model.safetensors'))).toEqual(files['model.safetensors']);
});

test('garbage collection keeps the copies of the models that kept policies name, and no others', async () => {
  const control = machine('control');
  const { address } = await importPolicy(control, 'org/tiny', undefined);
  await copyModel(control.store.models, 'org/large');
  const copy = await copyOf(control);
  const later = new Date(Date.now() + 3600_000);
  const garbage = async (addresses: string[]) =>
    (await findGarbage(control.store, async () => ({ addresses }), later)).map((artifact) => artifact.address);
  const kept = await garbage([address]);
  expect(kept).toHaveLength(1);
  expect(kept).not.toContain(copy.address);
  const all = await garbage([]);
  expect(all).toContain(copy.address);
  for (const each of all) await control.store.remove(each);
  expect(await control.store.models.find(`org/tiny@${COMMIT}`, HUB_MODEL_FILES)).toBeUndefined();
  mkdirSync(objects(), { recursive: true });
  expect(readdirSync(objects())).toEqual([]);
});
