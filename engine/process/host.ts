/** The engine behind a process boundary: ONNX Runtime blocks its thread, and a native fault kills its process. */
import { once, setMaxListeners } from 'node:events';
import type { ChildProcess } from 'node:child_process';
import { InputError } from '../../data/errors.ts';
import type { ChildMessage, HostMessage } from './child.ts';
import { EngineDied, JobAborted } from '../protocol/errors.ts';
import { forkModule } from './fork.ts';
import type { CallOptions, Engine, EngineMethods } from '../protocol/jobs.ts';

export interface HostOptions {
  /** A job that reports nothing for so long is taken for hung, and its process is killed. */
  silenceSeconds?: number;
}

const DEFAULT_SILENCE_SECONDS = 900;
/** What is kept of the process's last words for the error that reports its death. */
const LAST_WORDS = 2000;

/** Starts nothing yet: the process comes with the first job, and again after it died. */
export function startEngine(options: HostOptions = {}): Engine {
  return new EngineHost(options);
}

class EngineHost implements Engine {
  private readonly options: HostOptions;
  private child: ChildProcess | undefined;
  private lastWords = '';
  private queue: Promise<unknown> = Promise.resolve();

  constructor(options: HostOptions) {
    this.options = options;
  }

  run<M extends keyof EngineMethods>(
    method: M,
    job: Parameters<EngineMethods[M]>[0],
    options: CallOptions = {},
  ): Promise<ReturnType<EngineMethods[M]>> {
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
    const child = forkModule(new URL('./child.ts', import.meta.url), [], {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.lastWords = '';
    child.stderr!.on('data', (data) => (this.lastWords = `${this.lastWords}${data}`.slice(-LAST_WORDS)));
    const forget = () => {
      if (this.child === child) this.child = undefined;
    };
    child.on('exit', forget);
    // It could not be started, or a message did not reach it any more.
    child.on('error', () => {
      child.kill('SIGKILL');
      forget();
    });
    this.child = child;
    return child;
  }

  private perform<M extends keyof EngineMethods>(
    method: M,
    job: Parameters<EngineMethods[M]>[0],
    { onProgress, signal, itemSignals = [] }: CallOptions,
  ): Promise<ReturnType<EngineMethods[M]>> {
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
      // One signal may be that of any number of items: that is no leak.
      setMaxListeners(0, ended.signal, ...itemSignals);
      for (const [item, cancel] of itemSignals.entries()) {
        const tell = () => child.connected && child.send({ type: 'cancel', item } satisfies HostMessage);
        cancel.addEventListener('abort', tell, { signal: ended.signal });
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
        else if (message.type === 'result') settle(() => resolve(message.value as ReturnType<EngineMethods[M]>));
        else settle(() => reject(errorOf(message)));
      };
      const onExit = (code: number | null, cause: NodeJS.Signals | null) => {
        const how = hung
          ? `said nothing for ${silence / 1000} s and was killed`
          : cause === 'SIGKILL'
            ? 'was killed (SIGKILL), most often because the machine ran out of memory'
            : `ended with ${cause ?? `exit code ${code}`}`;
        const words = this.lastWords.trim();
        settle(() =>
          reject(new EngineDied(`The engine's process ${how} during ${method}.${words && ` It said: ${words}`}`)),
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

function errorOf({ kind, message, stack }: Extract<ChildMessage, { type: 'error' }>): Error {
  if (kind === 'input') return new InputError(message);
  if (kind === 'aborted') return new JobAborted(message);
  const error = new Error(message);
  error.stack = stack;
  return error;
}
