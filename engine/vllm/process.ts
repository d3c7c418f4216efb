/** A server process under supervision: whether it answers, and the error for its end. */
import { setTimeout as sleep } from 'node:timers/promises';
import { WatchedProgram, type ProgramEnd } from '../process/watched.ts';
import { EngineDied } from '../protocol/errors.ts';

/** Characters of the output in the error for a server that does not get ready. */
const LAST_WORDS = 1000;
const POLL_MILLISECONDS = 200;
const HEALTH_TIMEOUT_MILLISECONDS = 5000;
/** The time limit for the server to end after SIGTERM. */
const STOP_SECONDS = 20;

/** A server in a process group of its own, which ends with this process. */
export class ServerProcess {
  /** Aborted when the server ends without having been stopped. The reason is the error that `explain` made. */
  readonly died: AbortSignal;
  private readonly program: WatchedProgram;
  private stopping = false;

  /**
   * @param env the server's environment
   * @param explain the error for a server that ended by itself. @param how such as "ended with exit code 1"
   */
  constructor(command: string[], env: NodeJS.ProcessEnv, explain: (how: string, output: string) => Error) {
    this.program = new WatchedProgram(command, env);
    const died = new AbortController();
    this.died = died.signal;
    void this.watch(died, explain);
  }

  private async watch(died: AbortController, explain: (how: string, output: string) => Error): Promise<void> {
    const end = await this.program.ended;
    if (!this.stopping) died.abort(explain(describe(end), this.program.output));
  }

  /**
   * Waits until the server answers.
   * @param url of its health check
   * @throws the reason of `died` when the server ends, and the signal's reason when it is aborted; the server is then stopped
   */
  async ready(url: string, seconds: number, signal?: AbortSignal): Promise<void> {
    const deadline = Date.now() + seconds * 1000;
    const ended = AbortSignal.any([this.died, ...(signal ? [signal] : [])]);
    try {
      for (;;) {
        ended.throwIfAborted();
        const limit = AbortSignal.any([ended, AbortSignal.timeout(HEALTH_TIMEOUT_MILLISECONDS)]);
        const response = await fetch(url, { signal: limit }).catch(() => undefined);
        await response?.body?.cancel();
        if (response?.ok) return;
        if (Date.now() > deadline) {
          const last = this.program.output.slice(-LAST_WORDS).trim();
          throw new EngineDied(`The server was not ready after ${seconds} s. Its last words: ${last}`);
        }
        await sleep(POLL_MILLISECONDS, undefined, { signal: ended }).catch(() => {});
      }
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Ends the server and all processes that it has started. */
  async stop(): Promise<void> {
    this.stopping = true;
    await this.program.stop(STOP_SECONDS);
  }
}

function describe(end: ProgramEnd | undefined): string {
  if (!end) return 'was killed with its watcher';
  if ('failed' in end) return `could not be started (${end.failed})`;
  if (end.signal === 'SIGKILL') return 'was killed (SIGKILL), most often because the machine ran out of memory';
  return `ended with ${end.signal ?? `exit code ${end.code}`}`;
}
