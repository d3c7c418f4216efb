/**
 * The control image, built from the Dockerfile, does a run from the hub to its policy: its entry point, as its user, under its own files
 * as a read-only root, with the volumes of the task definitions, through Temporal and S3. A second container of the image is the worker
 * for models: it has the files of the GPU image, apart from Python, and ONNX Runtime computes on the CPU.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { readImage } from '../cdk/image.ts';
import { Tasks } from '../cdk/tasks.ts';
import { synthesize } from '../cdk/variants.ts';
import { selm } from '../command.ts';
import { startHub } from '../hub-server.ts';
import { temporaryFolder } from '../temporary.ts';
import { tinyModel, tinyPrompts } from '../tiny-model.ts';
import { builderProblem, buildTarget, hasFile, type BuiltImage } from './buildah.ts';

const problem = builderProblem();
if (problem !== undefined) throw new Error(`npm run test:images cannot build here: ${problem}.`);

const folder = temporaryFolder();
let image: BuiltImage;
let tasks: Tasks | undefined;

beforeAll(async () => {
  image = buildTarget('control');
  const model = tinyModel(join(folder, 'model'));
  const files = Object.fromEntries(readdirSync(model).map((name) => [name, readFileSync(join(model, name))]));
  const hub = await startHub({ 'models/org/tiny': { revision: 'main', files } }, join(folder, 'hub'));
  const prompts = join(folder, 'prompts');
  mkdirSync(prompts);
  writeFileSync(
    join(prompts, 'train.jsonl'),
    tinyPrompts(40)
      .map((row) => `${JSON.stringify(row)}\n`)
      .join(''),
  );
  tasks = await Tasks.open({
    stacks: synthesize({ version: 'v1', ui: true }),
    folder,
    image: image.root,
    files: { '/mnt': prompts },
    variables: { HF_ENDPOINT: hub.url },
  });
});
afterAll(async () => {
  await tasks?.close();
  image?.remove();
});

it('has the user, entry point and volumes of the Dockerfile, certificate authorities, and no development dependencies', () => {
  const { user, entryPoint } = readImage('control');
  expect(image.config).toMatchObject({ User: user, Entrypoint: entryPoint, WorkingDir: '/app' });
  expect(Object.keys(image.config.Volumes).sort()).toEqual(['/tmp', '/var/lib/selm']);
  expect(hasFile(image, 'etc/ssl/certs/ca-certificates.crt')).toBe(true);
  expect(hasFile(image, 'app/dist/python/selm_torch/serve.py')).toBe(true);
  for (const name of ['vitest', 'aws-cdk-lib']) expect(hasFile(image, `app/node_modules/${name}`)).toBe(false);
});

it('does a run to its policy under a read-only root', async () => {
  const deployment = tasks!;
  const file = join(folder, 'run.yaml');
  writeFileSync(
    file,
    stringify({
      name: 'built',
      model: 'org/tiny',
      prompts: { train: '/mnt/train.jsonl', heldOut: 8 },
      rounds: 1,
      sample: { samplesPerPrompt: 4, temperature: 1, maxNewTokens: 12 },
      optimize: { learningRate: 1e-3, batchSize: 4 },
      evaluate: { maxNewTokens: 12 },
    }),
  );
  const control = await deployment.start('control', 'control');
  await deployment.until('a healthy control worker', () => deployment.isHealthy(control));
  expect((await selm(['start', file], deployment.operator)).code).toBe(0);
  await deployment.start('gpu', 'gpu');
  await deployment.until('the end', async () => (await deployment.progressOf('built'))?.status.state === 'done');
  const policies = await selm(['policies'], deployment.operator);
  expect(policies.stdout, policies.stderr).toContain('built@1');
  const ui = await deployment.start('ui', 'ui');
  await deployment.until('healthy web pages', () => deployment.isHealthy(ui));
  expect(await (await fetch(new URL('/policies', ui.health))).text()).toContain('built@1');
  for (const name of ['ui', 'gpu', 'control']) expect(await deployment.stop(name)).toBe(0);
});
