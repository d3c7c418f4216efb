/**
 * Runs the commands of the task definitions, with their variables, mounts and user, under a read-only root, using Temporal's dev server,
 * a local S3 server and a local hub. A run starts without a GPU worker and ends with a policy, and stopping a worker loses no work. Also checks the demand metric for
 * scaling, and the web pages.
 */
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Client } from '@temporalio/client';
import { noopMetricMeter } from '@temporalio/common';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { publishDemand } from '../../workers/telemetry/demand.ts';
import { EmfMetrics } from '../../workers/telemetry/emf.ts';
import { Metrics } from '../../workers/telemetry/metrics.ts';
import { runWorkflowId } from '../../workflows/ids.ts';
import { selm } from '../command.ts';
import { startHub } from '../hub-server.ts';
import { temporaryFolder } from '../temporary.ts';
import { tinyModel, tinyPrompts } from '../tiny-model.ts';
import { bases, readImage } from './image.ts';
import { sandboxProblem } from './sandbox.ts';
import { Tasks } from './tasks.ts';
import { synthesize } from './variants.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = temporaryFolder();
/** The folder /app of the images. */
const app = join(folder, 'app');
const stacks = synthesize({ version: 'v1', ui: true });
/** The prompts, in the tasks' file system. */
const PROMPTS = '/data/train.jsonl';
let tasks: Tasks;
let client: Client;

const refusal = sandboxProblem();
if (refusal !== undefined) console.warn(`NOT TESTED: the entry points of the images, because ${refusal}.`);

const progressOf = (name: string) => tasks.progressOf(name);
const until = (what: string, holds: () => Promise<boolean>) => tasks.until(what, holds);

/** Publishes the demand as a control worker of this version does, but several times per second instead of once per minute. */
function watchDemand(buildId: string) {
  const told: number[] = [];
  const emf = new EmfMetrics('selm', { Deployment: 'selm' }, (line) => {
    const { Demand, Pool } = JSON.parse(line) as { Demand?: number; Pool?: string };
    if (Demand !== undefined && Pool === 'single') told.push(Demand);
  });
  const version = { deploymentName: 'selm', buildId };
  const stop = publishDemand(client, new Metrics(noopMetricMeter, emf), console.error, version, 0.2);
  return {
    stop: () => {
      stop();
      emf.close();
    },
    highest: () => Math.max(...told),
    /** Waits for a new value of the demand. */
    next: async () => {
      const before = told.length;
      // The first new value may have been read before the call.
      await until('a demand', async () => told.length >= before + 2);
      return told.at(-1);
    },
  };
}

/** Builds the stages `build` and `control` of the Dockerfile, from files that .dockerignore includes. */
function buildApp(): void {
  const context = join(folder, 'context');
  for (const [, path] of readFileSync(join(root, '.dockerignore'), 'utf8').matchAll(/^!(.+)$/gm)) {
    // The only supported pattern is FOLDER/*.ts, for a folder whose subfolders are excluded.
    const files = path.endsWith('/*.ts')
      ? readdirSync(join(root, dirname(path)))
          .filter((name) => name.endsWith('.ts'))
          .map((name) => join(dirname(path), name))
      : [path];
    for (const file of files) cpSync(join(root, file), join(context, file), { recursive: true });
  }
  mkdirSync(app);
  symlinkSync(join(root, 'node_modules'), join(context, 'node_modules'));
  expect(readImage('build').lines).toContain('RUN npm run build');
  execFileSync('npm', ['run', 'build'], { cwd: context, stdio: 'pipe' });
  for (const target of ['control', 'gpu'])
    expect(readImage(target).lines).toContain('COPY --from=build --chown=root:root /app/dist dist');
  renameSync(join(context, 'dist'), join(app, 'dist'));
}

/** Serves the tiny model as `org/tiny`, like the Hugging Face hub. @returns the hub's URL */
async function serveModel(): Promise<string> {
  const model = tinyModel(join(folder, 'model'));
  const files = Object.fromEntries(readdirSync(model).map((name) => [name, readFileSync(join(model, name))]));
  const hub = await startHub({ 'models/org/tiny': { revision: 'main', files } }, join(folder, 'laptop-hub'));
  return hub.url;
}

const runOf = (train: string) => ({ model: 'org/tiny', prompts: { train, heldOut: 8 }, rounds: 1 });

function writeRuns(): void {
  writeFileSync(
    join(folder, 'train.jsonl'),
    tinyPrompts(40)
      .map((row) => `${JSON.stringify(row)}\n`)
      .join(''),
  );
  writeFileSync(
    join(folder, 'sampling.yaml'),
    stringify({
      ...runOf(PROMPTS),
      name: 'sampling',
      sample: { samplesPerPrompt: 64, temperature: 1, maxNewTokens: 160 },
      evaluate: { maxNewTokens: 12 },
    }),
  );
  for (const name of ['cloud', 'laptop']) {
    writeFileSync(
      join(folder, `${name}.yaml`),
      stringify({
        ...runOf(name === 'cloud' ? PROMPTS : './train.jsonl'),
        name,
        sample: { samplesPerPrompt: 4, temperature: 1, maxNewTokens: 12 },
        optimize: { learningRate: 1e-3, batchSize: 4, epochs: 150, checkpointSeconds: 0.5 },
        evaluate: { maxNewTokens: 12 },
      }),
    );
  }
}

describe.skipIf(refusal !== undefined)('tasks under a read-only root', () => {
  beforeAll(async () => {
    buildApp();
    const hub = await serveModel();
    writeRuns();
    tasks = await Tasks.open({
      stacks,
      folder,
      files: {
        '/app/dist': join(app, 'dist'),
        '/app/node_modules': join(root, 'node_modules'),
        '/opt/bin/node': process.execPath,
        [PROMPTS]: join(folder, 'train.jsonl'),
      },
      variables: { HF_ENDPOINT: hub },
    });
    ({ client } = tasks);
  });
  afterAll(() => tasks.close());

  it('a run from no GPU worker, through S3 and a worker that is told to stop, ends with the undisturbed weights', async () => {
    const control = await tasks.start('control', 'control');
    await until('a healthy control worker', () => tasks.isHealthy(control));
    expect((await selm(['start', join(folder, 'cloud.yaml')], tasks.operator)).code).toBe(0);
    // Work for a GPU waits while there is no GPU worker.
    await until('waiting work', async () =>
      ((await progressOf('cloud'))?.pending ?? []).some(({ name }) => name === 'sample'),
    );
    const [demand, ofAnother] = [watchDemand(tasks.buildId), watchDemand('v0')];
    expect(await demand.next()).toBe(1);

    const first = await tasks.start('gpu', 'gpu-1');
    await until('a healthy GPU worker', () => tasks.isHealthy(first));
    let reached = 0;
    await until('a training under way', async () => {
      const training = (await progressOf('cloud'))?.pending.find(({ name }) => name === 'optimize');
      reached = training?.progress?.done ?? 0;
      return training?.progress?.checkpoint !== undefined;
    });
    expect(reached).toBeGreaterThan(0);
    // The queue is empty, and one worker is busy.
    expect(await demand.next()).toBe(1);
    const told = Date.now();
    expect(await tasks.stop('gpu-1'), first.words()).toBe(0);
    expect((Date.now() - told) / 1000).toBeLessThan(tasks.containerOf('gpu').StopTimeout);
    const handedOver = await progressOf('cloud');
    expect(handedOver?.status.state).toBe('running');
    // The activity waits for another worker, which will resume from the checkpoint.
    expect(handedOver?.pending).toMatchObject([{ name: 'optimize', progress: { checkpoint: expect.anything() } }]);

    expect(await demand.next()).toBe(1);

    await tasks.start('gpu', 'gpu-2');
    await until('the end', async () => (await progressOf('cloud'))?.status.state === 'done');
    const { status } = (await progressOf('cloud'))!;
    expect(status.state).toBe('done');
    expect(await demand.next()).toBe(0);
    // The demand of another version is not affected.
    expect(ofAnother.highest()).toBe(0);
    for (const { stop } of [demand, ofAnother]) stop();

    const laptop = { SELM_HOME: join(folder, 'laptop-home') };
    const undisturbed = await selm(['run', join(folder, 'laptop.yaml'), '--json'], laptop);
    expect(undisturbed.code, undisturbed.stderr).toBe(0);
    const weights = async (name: string, env: Record<string, string>) => {
      const exported = await selm(['export', '--model', `${name}@1`, '--out', join(folder, name)], env);
      expect(exported.code, exported.stderr).toBe(0);
      return readFileSync(join(folder, name, 'model.safetensors'));
    };
    expect((await weights('cloud', tasks.operator)).equals(await weights('laptop', laptop))).toBe(true);
    expect(existsSync(join(tasks.s3.root, 'artifacts', 'selm'))).toBe(true);
  });

  it('the web pages are reached at every address of the task, show the run, and write nothing', async () => {
    const ui = await tasks.start('ui', 'ui');
    await until('healthy web pages', () => tasks.isHealthy(ui));
    const before = readdirSync(tasks.s3.root, { recursive: true }).length;
    const { origin } = new URL(ui.health);
    const pages = await Promise.all(
      ['/', '/runs/cloud', '/policies'].map(async (path) => (await fetch(origin + path)).text()),
    );
    expect(pages[0]).toMatch(/href="\/runs\/cloud"[^]*done/);
    expect(pages[1]).toContain('<td>round 1</td>');
    expect(pages[2]).toContain('cloud@1');
    expect(readdirSync(tasks.s3.root, { recursive: true }).length).toBe(before);
    // The pages keep no state.
    expect(readdirSync(tasks.volumeOf('ui', '/tmp'))).toEqual([]);
    expect(ui.words()).toContain('http://0.0.0.0:');
    expect(await tasks.stop('ui'), ui.words()).toBe(0);
  });

  it('a worker that is told to stop while it samples hands the shard over, well within its stop timeout', async () => {
    expect((await selm(['start', join(folder, 'sampling.yaml')], tasks.operator)).code).toBe(0);
    await until('a round that samples', async () => {
      const progress = await progressOf('sampling');
      return progress?.round?.steps.sample.state === 'running' && (progress.pending[0]?.progress?.done ?? 0) > 0;
    });
    const told = Date.now();
    expect(await tasks.stop('gpu-2')).toBe(0);
    // One second of grace, plus the time for shutdown.
    expect((Date.now() - told) / 1000).toBeLessThan(20);
    expect(tasks.containerOf('gpu').StopTimeout).toBeGreaterThan(20);
    const { status, pending } = (await progressOf('sampling'))!;
    expect(status.state).toBe('running');
    // The activity is retried immediately, without waiting for the heartbeat timeout.
    expect(pending).toMatchObject([{ name: 'sample', attempt: 2 }]);
    await client.workflow.getHandle(runWorkflowId('sampling')).terminate();
    expect(await tasks.stop('control')).toBe(0);
  });
});

it('the images run as nobody special, on bases with an exact version', () => {
  for (const target of ['control', 'gpu']) expect(readImage(target).user).toBe('10001:10001');
  expect(bases.length).toBe(2);
  // Digests are added by `npm run images:refresh`, where the registry can be reached.
  for (const base of bases) expect(base).toMatch(/^[\w./-]+:v?\d[\w.-]*(@sha256:[0-9a-f]{64})?$/);
});

it('a bundle or a health port that is not there is told in one sentence', async () => {
  const env = { SELM_HOME: join(folder, 'bad'), TEMPORAL_ADDRESS: '127.0.0.1:9' };
  const bundled = await selm(['worker', '--role', 'control'], { ...env, SELM_WORKFLOW_BUNDLE: '/nowhere.js' });
  expect([bundled.code, bundled.stderr]).toEqual([
    2,
    expect.stringContaining('selm: SELM_WORKFLOW_BUNDLE=/nowhere.js does not exist: unset it, or run npm run build'),
  ]);
  const port = await selm(['worker', '--role', 'gpu'], { ...env, SELM_HEALTH_PORT: 'http' });
  expect([port.code, port.stderr]).toEqual([
    2,
    expect.stringContaining('selm: SELM_HEALTH_PORT=http is no port; give a number from 1 to 65535.'),
  ]);
});
