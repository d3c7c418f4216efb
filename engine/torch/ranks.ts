/**
 * The ranks: processes of selm_torch (python/) that compute one policy together. On one machine this process starts them, without
 * torchrun: they find each other by a file, so that no port is needed, and each has its own exit code and stderr. They stay up between
 * jobs. On several machines torchrun starts them (nodes.ts).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { EngineDied, fromErrorMessage, JobAborted } from '../protocol/errors.ts';
import type { ErrorMessage } from '../protocol/messages.ts';
import { readMessages, type ProgressMessage, type RankMessage, type ReadyMessage } from './channel.ts';
import { endError, hangError, isOutOfMemory } from './failure.ts';
import { RankProcesses, type RankSettings } from './rank-processes.ts';
import { ScratchFolder } from './scratch.ts';

/** How long ranks may be silent, in seconds. */
export interface Patience {
  /** Between two reports of progress (passes and optimizer steps) of a job. */
  silence: number;
  /** While the ranks start, and until a job's first progress: a large model is read from a slow disk. */
  loading: number;
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
  private readonly processes: RankProcesses;
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
    this.processes = new RankProcesses(settings, this.folder, () => void this.end());
    const { first } = this.processes;
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
    this.processes.kill();
    await this.processes.exited;
    this.forget();
  }

  private async started(signal?: AbortSignal): Promise<void> {
    const stop = () => void this.stop();
    signal?.addEventListener('abort', stop, { once: true });
    this.watch(this.patience.loading);
    await new Promise<void>((resolve) => {
      this.onReady = resolve;
      void this.processes.exited.then(() => resolve());
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
    this.processes.first.stdin!.write(`${JSON.stringify(message)}\n`);
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
      const { stopped } = this.processes;
      this.processes.writeStacks();
      await sleep(STACK_MILLISECONDS);
      this.processes.kill();
      await this.processes.exited;
      return hangError(this.processes.ends, stopped, during, seconds);
    });
  }

  /** Ends all ranks after a failure of one. */
  private end(): Promise<Error> {
    return this.finish(async (during) => {
      // The rank that failed first may not be the one whose end is seen first.
      await Promise.race([this.processes.exited, sleep(SETTLE_MILLISECONDS)]);
      this.processes.kill();
      await this.processes.exited;
      return endError(this.processes.ends, during, this.reported);
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

  private forget(): void {
    this.removeFolder();
    process.off('exit', this.removeFolder);
  }
}
