/**
 * A deployment's tasks as processes of this machine: the commands, variables and mounts of the task definitions, in the file system of
 * a container (sandbox.ts), with Temporal's dev server and a local S3 server in place of AWS.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { expect } from 'vitest';
import { readProgress, type RunProgress } from '../../workers/runs/progress.ts';
import { findRun } from '../../workers/runs/runs.ts';
import { credentials, startVersitygw, type S3Server } from '../artifacts/versitygw.ts';
import { startDevServer, type DevServer } from '../dev-server.ts';
import { freePort } from '../free-port.ts';
import { until } from '../until.ts';
import { buildIdOf, startEcs, type EcsServer } from './ecs-server.ts';
import { readImage } from './image.ts';
import { inSandbox, makeVolume } from './sandbox.ts';
import { resourcesOf, type SynthesizedStack } from './variants.ts';

export type Task = 'control' | 'gpu' | 'ui';

/** A running task. */
export interface StartedTask {
  process: ChildProcess;
  /** URL of its health check. */
  health: string;
  /** What it has written to stdout and stderr. */
  words: () => string;
}

/** What tasks are started from. */
interface Deployment {
  stacks: SynthesizedStack[];
  /** For the files of the servers and the volumes of the tasks. */
  folder: string;
  /** The read-only files of the tasks, by their paths in the container: those of the images, and those that runs name. */
  files: Record<string, string>;
  /** The folder of a built image's files, for all tasks. Default: the files of this machine. */
  image?: string;
  /** Variables in addition to those of the templates, as `environment` in a deployment's configuration gives them. */
  variables?: Record<string, string>;
}

/** A container definition of a template. */
interface Container {
  Command: string[];
  Environment: { Name: string; Value: unknown }[];
  MountPoints: { ContainerPath: string; SourceVolume: string; ReadOnly: boolean }[];
  HealthCheck: { Command: string[] };
  StopTimeout: number;
}

/** Characters of what each task has written, in reports. */
const LAST_WORDS = 2000;
/** Variables that a container has without any setting: HOME is that of the image's user. */
const RUNTIME = { PATH: '/opt/bin:/usr/local/bin:/usr/bin:/bin', HOME: '/home/selm' };

/** Starts and stops the tasks of a deployment. */
export class Tasks {
  readonly client: Client;
  readonly temporal: DevServer;
  readonly s3: S3Server;
  private readonly stacks: SynthesizedStack[];
  private readonly folder: string;
  private readonly files: Record<string, string>;
  private readonly image: string | undefined;
  private readonly variables: Record<string, string>;
  private ecs: EcsServer | undefined;
  private readonly started = new Map<string, StartedTask>();
  /** Which task has ended by itself, and why. */
  private ended: string | undefined;

  private constructor(
    temporal: DevServer,
    s3: S3Server,
    client: Client,
    { stacks, folder, files, image, variables }: Deployment,
  ) {
    [this.temporal, this.s3, this.client] = [temporal, s3, client];
    [this.stacks, this.folder, this.files, this.image, this.variables] = [
      stacks,
      folder,
      files,
      image,
      variables ?? {},
    ];
  }

  /** Starts the servers. */
  static async open(deployment: Deployment): Promise<Tasks> {
    const [temporal, s3] = await Promise.all([startDevServer(), startVersitygw(deployment.folder, ['artifacts'])]);
    const connection = await Connection.connect({ address: temporal.address, connectTimeout: '30s' });
    const tasks = new Tasks(temporal, s3, new Client({ connection }), deployment);
    tasks.ecs = await startEcs(tasks.containerOf('control'));
    return tasks;
  }

  /** The version of the workers, which the templates give to their commands. */
  get buildId(): string {
    return buildIdOf(this.containerOf('control').Command);
  }

  async close(): Promise<void> {
    for (const { process: task } of this.started.values()) {
      if (task.exitCode !== null || task.signalCode !== null) continue;
      const exited = once(task, 'exit');
      task.kill('SIGKILL');
      await exited;
    }
    await this.client.connection.close();
    this.temporal.stop();
    this.ecs?.close();
    await this.s3.stop();
  }

  /** The variables of a command that reads the same runs and artifacts as the tasks. */
  get operator(): Record<string, string> {
    return {
      SELM_HOME: join(this.folder, 'operator'),
      TEMPORAL_ADDRESS: this.temporal.address,
      SELM_STORE: 's3://artifacts/selm',
      AWS_REGION: 'us-east-1',
      AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${this.s3.port}`,
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    };
  }

  /** The container definition of a task in the templates. */
  containerOf(task: Task): Container {
    const definitions = resourcesOf(this.stacks, 'AWS::ECS::TaskDefinition').flatMap(
      ({ Properties }) => Properties['ContainerDefinitions'] as Container[],
    );
    return definitions.find(({ Command }) => Command?.[0] === task || Command?.join(' ').includes(`--role ${task}`))!;
  }

  /** The folder of a task's volume on this machine. */
  volumeOf = (name: string, path: string): string => join(this.folder, `${name}-volumes`, path.replaceAll('/', '-'));

  /** Starts a container's command. Only the variables that refer to AWS and the Temporal server are replaced. */
  async start(kind: Task, name: string): Promise<StartedTask> {
    const { Command, Environment, HealthCheck, MountPoints } = this.containerOf(kind);
    const { entryPoint, environment } = readImage(kind === 'gpu' ? 'gpu' : 'control');
    const port = await freePort();
    const variables = Object.fromEntries(Environment.map(({ Name, Value }) => [Name, Value as string]));
    const { SELM_HOME: _home, ...aws } = this.operator;
    const ours: Record<string, string> = {
      ...aws,
      // The training of a test would finish within the template's grace period.
      ...(kind === 'control' && { AWS_ENDPOINT_URL_ECS: this.ecs!.url }),
      ...(kind !== 'ui' && { SELM_GRACE_SECONDS: '1', SELM_HEALTH_PORT: String(port), ...this.variables }),
    };
    // Checks that the template sets the variables that are replaced here.
    expect(Object.keys(variables)).toEqual(
      expect.arrayContaining(['SELM_STORE', 'TEMPORAL_ADDRESS', ...(kind === 'ui' ? [] : ['SELM_HEALTH_PORT'])]),
    );
    const writable = MountPoints.filter(({ ReadOnly }) => !ReadOnly).map(({ ContainerPath: path }) => path);
    const root = join(this.folder, `${name}-root`);
    mkdirSync(root);
    const sandbox = {
      root,
      image: this.image,
      readOnly: this.files,
      writable: Object.fromEntries(writable.map((path) => [path, makeVolume(this.volumeOf(name, path), path)])),
    };
    const command = Command.map((word) => (kind === 'ui' && word === '8080' ? String(port) : word));
    const [program, ...args] = inSandbox(sandbox, '/app', [...entryPoint, ...command]);
    const task = spawn(program, args, { env: { ...RUNTIME, ...environment, ...variables, ...ours } });
    let words = '';
    for (const stream of [task.stdout, task.stderr]) stream.on('data', (data) => (words += data));
    task.once('exit', (code) => {
      if (this.started.has(name)) this.ended ??= `${name} has ended with exit code ${code} (${words})`;
    });
    // The URL of the ECS health check.
    const { pathname } = new URL(/'(http:[^']+)'/.exec(HealthCheck.Command[3])![1]);
    const started = { process: task, health: `http://127.0.0.1:${port}${pathname}`, words: () => words };
    this.started.set(name, started);
    return started;
  }

  /** Stops a task. @returns its exit code */
  async stop(name: string): Promise<number | null> {
    const { process: task } = this.started.get(name)!;
    this.started.delete(name);
    const exited = once(task, 'exit');
    task.kill('SIGTERM');
    return ((await exited) as [number | null])[0];
  }

  /** A run's progress; undefined while no worker answers queries for it. */
  async progressOf(run: string): Promise<RunProgress | undefined> {
    try {
      return await readProgress(this.client, await findRun(this.client, run));
    } catch {
      return undefined;
    }
  }

  /**
   * Waits until a condition holds, as until.ts does.
   * @throws Error when a task has ended that was not stopped
   */
  async until(what: string, holds: () => Promise<boolean>): Promise<void> {
    const isSo = async () => {
      if (await holds()) return true;
      if (this.ended !== undefined) throw new Error(`${this.ended} while waiting for ${what}`);
      return false;
    };
    await until(what, isSo, () =>
      [...this.started].map(([name, { words: said }]) => `\n${name}: ${said().slice(-LAST_WORDS)}`).join(''),
    );
  }

  isHealthy = ({ health }: StartedTask): Promise<boolean> =>
    fetch(health).then(
      ({ ok }) => ok,
      () => false,
    );
}
