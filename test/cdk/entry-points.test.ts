/**
 * Runs the commands of the task definitions, with their variables, as processes, using Temporal's dev server and a local S3 server.
 * A run starts without a GPU worker and ends with a policy, and stopping a worker loses no work. Also checks the demand metric for
 * scaling, and the web pages.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
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
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { noopMetricMeter } from '@temporalio/common';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { readProgress, type RunProgress } from '../../workers/progress.ts';
import { findRun } from '../../workers/runs.ts';
import { publishDemand } from '../../workers/telemetry/demand.ts';
import { EmfMetrics } from '../../workers/telemetry/emf.ts';
import { Metrics } from '../../workers/telemetry/metrics.ts';
import { runWorkflowId } from '../../workflows/ids.ts';
import { credentials, startVersitygw, type S3Server } from '../artifacts/versitygw.ts';
import { selm } from '../command.ts';
import { startDevServer, type DevServer } from '../dev-server.ts';
import { freePort } from '../free-port.ts';
import { temporaryFolder } from '../temporary.ts';
import { tinyModel, tinyPrompts } from '../tiny-model.ts';
import { bases, readImage } from './image.ts';
import { resourcesOf, synthesize } from './variants.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = temporaryFolder();
/** The folder /app of the images. */
const app = join(folder, 'app');
const stacks = synthesize({ version: 'v1', ui: true });
let temporal: DevServer;
let s3: S3Server;
let client: Client;
/** Running tasks, by name. */
const tasks: Record<string, ChildProcess> = {};

type Task = 'control' | 'gpu' | 'ui';

/** The container definition of a task in the templates. */
function containerOf(task: Task) {
  const definitions = resourcesOf(stacks, 'AWS::ECS::TaskDefinition').flatMap(
    ({ Properties }) => Properties['ContainerDefinitions'],
  );
  return definitions.find(({ Command }) => Command?.[0] === task || Command?.join(' ').includes(`--role ${task}`))!;
}

/** Starts a container's command with its variables. Replaces those that refer to AWS, the Temporal server and the file system. */
async function startTask(
  kind: Task,
  name: string,
): Promise<{ task: ChildProcess; health: string; words: () => string }> {
  const { Command, Environment, HealthCheck } = containerOf(kind);
  const { entryPoint, environment } = readImage(kind === 'gpu' ? 'gpu' : 'control');
  const [program, ...first] = entryPoint;
  const port = await freePort();
  const variables = Object.fromEntries(Environment.map(({ Name, Value }: Record<string, string>) => [Name, Value]));
  const ours: Record<string, string> = {
    PATH: process.env['PATH']!,
    SELM_STORE: 's3://artifacts/selm',
    SELM_HOME: join(folder, name),
    ...(kind !== 'ui' && {
      HF_HOME: join(folder, name, 'hub'),
      // This training would finish within the template's grace period.
      SELM_GRACE_SECONDS: '1',
      SELM_HEALTH_PORT: String(port),
    }),
    TEMPORAL_ADDRESS: temporal.address,
    AWS_REGION: 'us-east-1',
    AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${s3.port}`,
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
  };
  // Checks that the template sets the variables that are replaced here.
  const places = kind === 'ui' ? [] : ['SELM_HOME', 'SELM_HEALTH_PORT'];
  expect(Object.keys(variables)).toEqual(expect.arrayContaining(['SELM_STORE', 'TEMPORAL_ADDRESS', ...places]));
  expect(program).toBe('node');
  const command = Command.map((word: string) => (kind === 'ui' && word === '8080' ? String(port) : word));
  const task = spawn(process.execPath, [...first, ...command], {
    cwd: app,
    env: { ...environment, ...variables, ...ours },
  });
  let words = '';
  for (const stream of [task.stdout, task.stderr]) stream.on('data', (data) => (words += data));
  tasks[name] = task;
  // The URL of the ECS health check.
  const [, , , asked] = HealthCheck.Command as string[];
  const { pathname } = new URL(/'(http:[^']+)'/.exec(asked)![1]);
  return { task, health: `http://127.0.0.1:${port}${pathname}`, words: () => words };
}

const progressOf = async (name: string): Promise<RunProgress | undefined> => {
  try {
    return await readProgress(client, await findRun(client, name));
  } catch {
    // No worker answers queries for the run yet.
    return undefined;
  }
};

/** Publishes the demand as a control worker of this version does, but several times per second instead of once per minute. */
function watchDemand(buildId: string) {
  const told: number[] = [];
  const emf = new EmfMetrics('selm', { Deployment: 'selm' }, (line) =>
    told.push((JSON.parse(line) as { Demand: number }).Demand),
  );
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

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 240; tries++) {
    if (await holds()) return;
    await sleep(250);
  }
  throw new Error(`${what} did not come about: ${JSON.stringify(await progressOf('cloud'))}`);
}

/** Stops a task. @returns its exit code */
async function endOf(task: ChildProcess): Promise<number | null> {
  const exited = once(task, 'exit');
  task.kill('SIGTERM');
  return ((await exited) as [number | null])[0];
}

const isHealthy = (url: string) =>
  fetch(url).then(
    ({ ok }) => ok,
    () => false,
  );

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
  for (const place of [context, app]) symlinkSync(join(root, 'node_modules'), join(place, 'node_modules'));
  expect(readImage('build').lines).toContain('RUN npm run build');
  execFileSync('npm', ['run', 'build'], { cwd: context, stdio: 'pipe' });
  for (const target of ['control', 'gpu'])
    expect(readImage(target).lines).toContain('COPY --from=build --chown=root:root /app/dist dist');
  renameSync(join(context, 'dist'), join(app, 'dist'));
}

beforeAll(async () => {
  buildApp();
  [temporal, s3] = await Promise.all([startDevServer(), startVersitygw(folder, ['artifacts'])]);
  client = new Client({ connection: await Connection.connect({ address: temporal.address, connectTimeout: '30s' }) });
  tinyModel(join(folder, 'model'));
  writeFileSync(
    join(folder, 'train.jsonl'),
    tinyPrompts(40)
      .map((row) => `${JSON.stringify(row)}\n`)
      .join(''),
  );
  writeFileSync(
    join(folder, 'sampling.yaml'),
    stringify({
      name: 'sampling',
      model: './model',
      prompts: { train: './train.jsonl', heldOut: 8 },
      rounds: 1,
      sample: { samplesPerPrompt: 64, temperature: 1, maxNewTokens: 160 },
      evaluate: { maxNewTokens: 12 },
    }),
  );
  for (const name of ['cloud', 'laptop']) {
    writeFileSync(
      join(folder, `${name}.yaml`),
      stringify({
        name,
        model: './model',
        prompts: { train: './train.jsonl', heldOut: 8 },
        rounds: 1,
        sample: { samplesPerPrompt: 4, temperature: 1, maxNewTokens: 12 },
        optimize: { learningRate: 1e-3, batchSize: 4, epochs: 150, checkpointSeconds: 0.5 },
        evaluate: { maxNewTokens: 12 },
        output: `./${name}`,
      }),
    );
  }
});
afterAll(async () => {
  for (const task of Object.values(tasks).filter(
    ({ exitCode, signalCode }) => exitCode === null && signalCode === null,
  )) {
    const exited = once(task, 'exit');
    task.kill('SIGKILL');
    await exited;
  }
  await client.connection.close();
  temporal.stop();
  await s3.stop();
});

it('a run from no GPU worker, through S3 and a worker that is told to stop, ends with the undisturbed weights', async () => {
  const control = await startTask('control', 'control');
  await until('a healthy control worker', () => isHealthy(control.health));
  const operator = { SELM_HOME: join(folder, 'operator'), TEMPORAL_ADDRESS: temporal.address };
  expect((await selm(['start', join(folder, 'cloud.yaml')], operator)).code).toBe(0);
  // Work for a GPU waits while there is no GPU worker.
  await until('waiting work', async () =>
    ((await progressOf('cloud'))?.pending ?? []).some(({ name }) => name === 'sample'),
  );
  const [demand, ofAnother] = [watchDemand('v1'), watchDemand('v0')];
  expect(await demand.next()).toBe(1);

  const first = await startTask('gpu', 'gpu-1');
  await until('a healthy GPU worker', () => isHealthy(first.health));
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
  expect(await endOf(first.task), first.words()).toBe(0);
  expect((Date.now() - told) / 1000).toBeLessThan(containerOf('gpu').StopTimeout);
  const handedOver = await progressOf('cloud');
  expect(handedOver?.status.state).toBe('running');
  // The activity waits for another worker, which will resume from the checkpoint.
  expect(handedOver?.pending).toMatchObject([{ name: 'optimize', progress: { checkpoint: expect.anything() } }]);

  expect(await demand.next()).toBe(1);

  await startTask('gpu', 'gpu-2');
  await until('the end', async () => (await progressOf('cloud'))?.status.state === 'done');
  const { status } = (await progressOf('cloud'))!;
  expect(status.state).toBe('done');
  expect(await demand.next()).toBe(0);
  // The demand of another version is not affected.
  expect(ofAnother.highest()).toBe(0);
  for (const { stop } of [demand, ofAnother]) stop();

  const undisturbed = await selm(['run', join(folder, 'laptop.yaml'), '--json'], {
    SELM_HOME: join(folder, 'laptop-home'),
  });
  expect(undisturbed.code, undisturbed.stderr).toBe(0);
  const weights = (name: string) => readFileSync(join(folder, name, 'adapter_model.safetensors'));
  expect(weights('cloud').equals(weights('laptop'))).toBe(true);
  expect(existsSync(join(s3.root, 'artifacts', 'selm'))).toBe(true);
});

it('the web pages are reached at every address of the task, show the run, and write nothing', async () => {
  const ui = await startTask('ui', 'ui');
  await until('healthy web pages', () => isHealthy(ui.health));
  const before = readdirSync(s3.root, { recursive: true }).length;
  const { origin } = new URL(ui.health);
  const pages = await Promise.all(
    ['/', '/runs/cloud', '/policies'].map(async (path) => (await fetch(origin + path)).text()),
  );
  expect(pages[0]).toMatch(/href="\/runs\/cloud"[^]*done/);
  expect(pages[1]).toContain('<td>round 1</td>');
  expect(pages[2]).toContain('cloud@1');
  expect(readdirSync(s3.root, { recursive: true }).length).toBe(before);
  expect(existsSync(join(folder, 'ui'))).toBe(false);
  expect(ui.words()).toContain('http://0.0.0.0:');
  expect(await endOf(ui.task), ui.words()).toBe(0);
});

it('a worker that is told to stop while it samples hands the shard over, well within its stop timeout', async () => {
  const operator = { SELM_HOME: join(folder, 'operator'), TEMPORAL_ADDRESS: temporal.address };
  expect((await selm(['start', join(folder, 'sampling.yaml')], operator)).code).toBe(0);
  await until('a round that samples', async () => {
    const progress = await progressOf('sampling');
    return progress?.round?.steps.sample.state === 'running' && (progress.pending[0]?.progress?.done ?? 0) > 0;
  });
  const told = Date.now();
  expect(await endOf(tasks['gpu-2'])).toBe(0);
  // One second of grace, plus the time for shutdown.
  expect((Date.now() - told) / 1000).toBeLessThan(20);
  expect(containerOf('gpu').StopTimeout).toBeGreaterThan(20);
  const { status, pending } = (await progressOf('sampling'))!;
  expect(status.state).toBe('running');
  // The activity is retried immediately, without waiting for the heartbeat timeout.
  expect(pending).toMatchObject([{ name: 'sample', attempt: 2 }]);
  await client.workflow.getHandle(runWorkflowId('sampling')).terminate();
  expect(await endOf(tasks['control'])).toBe(0);
});

it('the images run as nobody special, on bases pinned by digest', () => {
  for (const target of ['control', 'gpu']) expect(readImage(target).user).toBe('10001:10001');
  expect(bases.length).toBe(2);
  for (const base of bases) expect(base).toMatch(/^[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}$/);
});

it('a bundle or a health port that is not there is told in one sentence', async () => {
  const env = { SELM_HOME: join(folder, 'bad'), TEMPORAL_ADDRESS: temporal.address };
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
