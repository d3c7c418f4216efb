/**
 * The ranks: processes of selm_torch (python/) that compute one policy together. On one machine this process starts them, without
 * torchrun: they find each other by a file, so that no port is needed, and each has its own exit code and stderr. They stay up between
 * jobs. On several machines torchrun starts them (nodes.ts).
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { PYTHON_FOLDER } from '../python-environments.ts';
import type { Device } from '../protocol/compute.ts';
import { EngineDied, fromErrorMessage, JobAborted } from '../protocol/errors.ts';
import type { ErrorMessage } from '../protocol/messages.ts';
import { readMessages, type ProgressMessage, type RankMessage, type ReadyMessage } from './channel.ts';
import { endError, hangError, isOutOfMemory, type RankEnd } from './failure.ts';
import { torchrunArguments } from './nodes.ts';
import { ScratchFolder } from './scratch.ts';

/** What ranks are started with. */
interface RankSettings {
  /** Path or name of the Python interpreter. */
  python: string;
  /** On this node. */
  ranks: number;
  /** More than 1: torchrun starts the ranks of all nodes (nodes.ts). */
  nodes: number;
  device: Device;
  /** Of each rank. */
  threads: number;
}

/** How long ranks may be silent, in seconds. */
export interface Patience {
  /** Between two reports of progress (passes and optimizer steps) of a job. */
  silence: number;
  /** While the ranks start, and until a job's first progress: a large model is read from a slow disk. */
  loading: number;
}

/** A rank, or the torchrun that has started those of this node. */
interface Rank {
  name: string;
  process: ChildProcess;
  stderr: string;
  isOurs: boolean;
}

interface RunningJob {
  name: string;
  /** The last step and pass that were reported, for errors. */
  step: string;
  pass: string;
  onProgress: (message: ProgressMessage) => void;
  resolve: (value: unknown) => void;
  reject: (error: Error) => void;
}

/** Characters kept of the end of each rank's stderr: the stacks of its threads must fit. */
const STDERR_KEPT = 20_000;
/** After the first sign of a failure, how long the other ranks may take to show whether theirs came first. */
const SETTLE_MILLISECONDS = 3000;
/** How long a rank that hangs may take to write its stack. */
const STACK_MILLISECONDS = 2000;

/** Started ranks. Once one of them has ended, all have, and jobs need new ones. */
export class Ranks {
  private readonly scratch = new ScratchFolder();
  /** For the rendezvous and the files of jobs; removed with the ranks. */
  readonly folder = this.scratch.path;
  private readonly settings: RankSettings;
  private readonly patience: Patience;
  private readonly ranks: Rank[];
  private readonly exited: Promise<unknown>;
  private readonly removeFolder = () => this.scratch.remove();
  private ready: ReadyMessage | undefined;
  private onReady: (() => void) | undefined;
  private job: RunningJob | undefined;
  private jobs = 0;
  private watchdog: NodeJS.Timeout | undefined;
  /** The error that rank 0 reported for all ranks, if they end because of it. */
  private reported: ErrorMessage | undefined;
  private ending: Promise<Error> | undefined;

  private constructor(settings: RankSettings, patience: Patience) {
    this.settings = settings;
    this.patience = patience;
    this.ranks = settings.nodes > 1 ? [this.startTorchrun()] : this.startRanks();
    this.exited = Promise.all(this.ranks.map(({ process: child }) => new Promise((end) => child.once('close', end))));
    const [{ process: first }] = this.ranks;
    readMessages(
      first.stdout!,
      (message) => this.receive(message),
      (line) => {
        this.reported = { kind: 'fault', message: `rank 0 wrote a line that is no message: ${line.slice(0, 200)}` };
        void this.end();
      },
    );
    // A rank that has ended does not read.
    first.stdin!.on('error', () => {});
    process.once('exit', this.removeFolder);
  }

  /**
   * Starts ranks, and waits until they have found each other.
   * @throws EngineDied when one of them ends or hangs
   */
  static async start(settings: RankSettings, patience: Patience, signal?: AbortSignal): Promise<Ranks> {
    const ranks = new Ranks(settings, patience);
    await ranks.started(signal);
    return ranks;
  }

  /** Whether they can take a job. */
  get isAlive(): boolean {
    return this.ending === undefined;
  }

  /** Whether these ranks are those that the settings ask for. */
  fits(settings: RankSettings): boolean {
    return JSON.stringify(settings) === JSON.stringify(this.settings);
  }

  /**
   * Runs a job. One at a time.
   * @param name of the job, for errors
   * @param file job.json
   * @returns the job's value
   * @throws EngineDied when a rank ended or none made progress, and the errors that the ranks report
   */
  run(
    name: string,
    file: string,
    onProgress: (message: ProgressMessage) => void,
    signal?: AbortSignal,
  ): Promise<unknown> {
    const id = ++this.jobs;
    const abort = () => this.send({ type: 'abort', id });
    return new Promise<unknown>((resolve, reject) => {
      this.job = { name, step: '', pass: '', onProgress, resolve, reject };
      this.send({ type: 'run', id, job: file });
      this.watch(this.patience.loading);
      signal?.addEventListener('abort', abort);
      if (signal?.aborted) abort();
      // They may have ended since the last job.
      void this.ending?.then(reject);
    }).finally(() => {
      signal?.removeEventListener('abort', abort);
      this.job = undefined;
      clearTimeout(this.watchdog);
    });
  }

  /** Ends them. */
  async stop(): Promise<void> {
    this.ending ??= Promise.resolve(new EngineDied('The ranks were stopped.'));
    clearTimeout(this.watchdog);
    this.kill();
    await this.exited;
    this.forget();
  }

  private startRanks(): Rank[] {
    const { ranks } = this.settings;
    const rendezvous = pathToFileURL(join(this.folder, 'rendezvous')).href;
    return Array.from({ length: ranks }, (_, rank) => {
      const own = { RANK: rank, LOCAL_RANK: rank, WORLD_SIZE: ranks, LOCAL_WORLD_SIZE: ranks };
      const env = Object.fromEntries(Object.entries(own).map(([name, value]) => [name, String(value)]));
      const settings = { ...env, SELM_RENDEZVOUS: rendezvous };
      return this.startProcess(`Rank ${rank} of ${ranks}`, ['-m', 'selm_torch'], settings, rank === 0);
    });
  }

  private startTorchrun(): Rank {
    const { ranks, nodes } = this.settings;
    return this.startProcess(`torchrun of ${nodes} nodes`, torchrunArguments(ranks), {}, true);
  }

  /** @param talks whether it is rank 0, or hands its stdin and stdout on to rank 0 */
  private startProcess(name: string, args: string[], env: Record<string, string>, talks: boolean): Rank {
    const { python, device, threads } = this.settings;
    const { PYTHONPATH } = process.env;
    const channel = talks ? 'pipe' : 'ignore';
    const child = spawn(python, args, {
      env: {
        ...process.env,
        ...env,
        SELM_DEVICE: device,
        OMP_NUM_THREADS: String(threads),
        PYTHONPATH: PYTHONPATH ? `${PYTHON_FOLDER}${delimiter}${PYTHONPATH}` : PYTHON_FOLDER,
      },
      stdio: [channel, channel, 'pipe'],
    });
    const started: Rank = { name, process: child, stderr: '', isOurs: false };
    child.stderr!.on('data', (data) => (started.stderr = `${started.stderr}${data}`.slice(-STDERR_KEPT)));
    child.on('error', (error) => (started.stderr += error.message));
    child.on('close', () => this.end());
    return started;
  }

  private async started(signal?: AbortSignal): Promise<void> {
    const stop = () => void this.stop();
    signal?.addEventListener('abort', stop, { once: true });
    this.watch(this.patience.loading);
    await new Promise<void>((resolve) => {
      this.onReady = resolve;
      void this.exited.then(() => resolve());
    });
    signal?.removeEventListener('abort', stop);
    clearTimeout(this.watchdog);
    if (signal?.aborted) {
      await this.stop();
      throw new JobAborted('the job was stopped before it began');
    }
    if (!this.ready) throw await this.end();
  }

  private send(message: object): void {
    this.ranks[0].process.stdin!.write(`${JSON.stringify(message)}\n`);
  }

  private receive(message: RankMessage): void {
    const { job } = this;
    if (message.type === 'ready') {
      this.ready = message;
      this.onReady?.();
    } else if (message.type === 'error' && (message.kind === 'fault' || isOutOfMemory(message))) {
      // A rank may be in any state.
      this.reported = message;
      void this.end();
    } else if (!job || this.ending) return;
    else if (message.type === 'result') job.resolve(message.value);
    else if (message.type === 'error') {
      job.reject(fromErrorMessage(message));
    } else {
      this.watch(this.patience.silence);
      if (message.type === 'pass') job.pass = `, after pass ${message.done} of ${message.total}`;
      else [job.step, job.pass] = [`, after step ${message.step}`, ''];
      job.onProgress(message);
    }
  }

  /** Starts the watchdog anew. */
  private watch(seconds: number): void {
    clearTimeout(this.watchdog);
    this.watchdog = setTimeout(() => void this.endHung(seconds), seconds * 1000);
  }

  /** What the ranks are doing, for errors. */
  private get during(): string {
    const { job } = this;
    if (job) return `${job.name}${job.step}${job.pass || job.step ? job.pass : ', before the first pass'}`;
    return this.ready ? 'the time between two jobs' : 'their start';
  }

  private endHung(seconds: number): Promise<Error> {
    return this.finish(async (during) => {
      const stopped = this.ranks.flatMap(({ name, process: { pid } }) => (isStopped(pid!) ? [name] : []));
      // Ranks answer it with their stack; torchrun does not know it.
      if (this.settings.nodes === 1) for (const { process: child } of this.ranks) child.kill('SIGUSR1');
      await sleep(STACK_MILLISECONDS);
      this.kill();
      await this.exited;
      return hangError(this.ends(), stopped, during, seconds);
    });
  }

  /** Ends all ranks after a failure of one. */
  private end(): Promise<Error> {
    return this.finish(async (during) => {
      // The rank that failed first may not be the one whose end is seen first.
      await Promise.race([this.exited, sleep(SETTLE_MILLISECONDS)]);
      this.kill();
      await this.exited;
      return endError(this.ends(), during, this.reported);
    });
  }

  private finish(describe: (during: string) => Promise<Error>): Promise<Error> {
    this.ending ??= (async () => {
      const { job } = this;
      clearTimeout(this.watchdog);
      const error = await describe(this.during);
      this.forget();
      job?.reject(error);
      return error;
    })();
    return this.ending;
  }

  private kill(): void {
    for (const rank of this.ranks) {
      if (rank.process.exitCode !== null || rank.process.signalCode !== null) continue;
      rank.isOurs = true;
      rank.process.kill('SIGKILL');
    }
  }

  private forget(): void {
    this.removeFolder();
    process.off('exit', this.removeFolder);
  }

  private ends(): RankEnd[] {
    return this.ranks.map(({ name, process: { exitCode: code, signalCode: signal }, stderr, isOurs }) => ({
      name,
      code,
      signal,
      isOurs,
      stderr,
    }));
  }
}

/** Whether a signal such as SIGSTOP has stopped a process (Linux). */
function isStopped(pid: number): boolean {
  try {
    const status = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name, in parentheses, may hold anything; the state follows it.
    return 'Tt'.includes(status[status.lastIndexOf(')') + 2]);
  } catch {
    return false;
  }
}
