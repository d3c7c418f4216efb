/**
 * An engine in a child process, supervised. A backend may block its thread while it computes, and a native fault kills its process:
 * neither must happen to a worker.
 */
import { once, setMaxListeners } from 'node:events';
import type { ChildProcess } from 'node:child_process';
import { EngineDied, fromErrorMessage, JobAborted } from '../protocol/errors.ts';
import type { CallOptions, Engine, EngineMethod, JobOf, ResultOf } from '../protocol/jobs.ts';
import type { ChildMessage, HostMessage } from '../protocol/messages.ts';
import { forkModule } from './fork.ts';

/** Settings of the supervision. */
export interface HostOptions {
  /** The process is killed when its job reports nothing for this long. Default: 900. */
  silenceSeconds?: number;
  /** Arguments of the process. */
  args?: string[];
}

/** A backend's process, which runs one job at a time. */
export type SupervisedEngine = Pick<Engine, 'run' | 'close'>;

export const DEFAULT_SILENCE_SECONDS = 900;
/** Characters kept of the end of the process's stderr, for the error when it dies. */
const STDERR_KEPT = 2000;

/**
 * An engine whose process starts with the first job, and again after it died.
 * @param entry the module that the process runs; it calls `answerHost` (child.ts)
 */
export function superviseEngine(entry: URL, options: HostOptions): SupervisedEngine {
  return new EngineHost(entry, options);
}

class EngineHost implements SupervisedEngine {
  private readonly entry: URL;
  private readonly options: HostOptions;
  private child: ChildProcess | undefined;
  private stderr = '';
  private queue: Promise<unknown> = Promise.resolve();

  constructor(entry: URL, options: HostOptions) {
    this.entry = entry;
    this.options = options;
  }

  run<M extends EngineMethod>(method: M, job: JobOf<M>, options: CallOptions = {}): Promise<ResultOf<M>> {
    const turn = this.queue.then(() => this.perform(method, job, options));
    this.queue = turn.catch(() => {});
    return turn;
  }

  async close(): Promise<void> {
    const { child } = this;
    if (!child) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  private ready(): ChildProcess {
    if (this.child) return this.child;
    const child = forkModule(this.entry, this.options.args ?? [], {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.stderr = '';
    child.stderr!.on('data', (data) => (this.stderr = `${this.stderr}${data}`.slice(-STDERR_KEPT)));
    const forget = () => {
      if (this.child === child) this.child = undefined;
    };
    child.on('exit', forget);
    // It could not be started, or a message could not be sent.
    child.on('error', () => {
      child.kill('SIGKILL');
      forget();
    });
    this.child = child;
    return child;
  }

  private perform<M extends EngineMethod>(
    method: M,
    job: JobOf<M>,
    { onProgress, signal, itemSignals = [] }: CallOptions,
  ): Promise<ResultOf<M>> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(new JobAborted(`${method} was stopped before it began`));
      const child = this.ready();
      const silence = (this.options.silenceSeconds ?? DEFAULT_SILENCE_SECONDS) * 1000;
      let hung = false;
      const watchdog = setTimeout(() => {
        hung = true;
        child.kill('SIGKILL');
      }, silence);

      const abort = () => child.connected && child.send({ type: 'abort' } satisfies HostMessage);
      const ended = new AbortController();
      // One signal may be the signal of many items: many listeners are no leak.
      setMaxListeners(0, ended.signal, ...itemSignals);
      for (const [item, cancel] of itemSignals.entries()) {
        const forward = () => child.connected && child.send({ type: 'cancel', item } satisfies HostMessage);
        cancel.addEventListener('abort', forward, { signal: ended.signal });
      }
      const settle = (action: () => void) => {
        clearTimeout(watchdog);
        signal?.removeEventListener('abort', abort);
        ended.abort();
        child.off('message', onMessage);
        child.off('exit', onExit);
        child.off('error', onError);
        action();
      };
      const onMessage = (message: ChildMessage) => {
        watchdog.refresh();
        if (message.type === 'progress') onProgress?.(message.progress);
        else if (message.type === 'result') settle(() => resolve(message.value as ResultOf<M>));
        else settle(() => reject(fromErrorMessage(message.error)));
      };
      const onExit = (code: number | null, cause: NodeJS.Signals | null) => {
        const how = hung
          ? `reported nothing for ${silence / 1000} s and was killed`
          : cause === 'SIGKILL'
            ? 'was killed (SIGKILL), most often because the machine ran out of memory'
            : `ended with ${cause ?? `exit code ${code}`}`;
        const stderr = this.stderr.trim();
        settle(() =>
          reject(new EngineDied(`The engine's process ${how} during ${method}.${stderr && ` Its stderr: ${stderr}`}`)),
        );
      };
      const onError = ({ message }: Error) =>
        settle(() => reject(new EngineDied(`The engine's process cannot be reached for ${method}: ${message}.`)));

      child.on('message', onMessage);
      child.on('exit', onExit);
      child.on('error', onError);
      signal?.addEventListener('abort', abort, { once: true });
      const cancelled = itemSignals.flatMap(({ aborted }, item) => (aborted ? [item] : []));
      child.send({ type: 'run', method, job, cancelled } satisfies HostMessage);
    });
  }
}
