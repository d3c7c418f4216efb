/** A server process under supervision: its output, its end, and the end of all processes that it has started. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { EngineDied } from '../protocol/errors.ts';
import { forkModule } from '../process/fork.ts';

/** How the server ended, as the watcher reports it. */
export type ServerEnd = { code: number | null; signal: NodeJS.Signals | null } | { failed: string };

/** Characters kept of the end of the server's output. The cause of a failure may be far above the last line. */
const OUTPUT_KEPT = 64 * 1024;
/** Characters of it in the error for a server that does not get ready. */
const LAST_WORDS = 1000;
const POLL_MILLISECONDS = 200;
const HEALTH_TIMEOUT_MILLISECONDS = 5000;
/** The time limit for the server to end after SIGTERM. */
const STOP_SECONDS = 20;

/** A server in a process group of its own, which ends with this process. */
export class ServerProcess {
  /** Aborted when the server ends without having been stopped. The reason is the error that `explain` made. */
  readonly died: AbortSignal;
  private readonly child: ChildProcess;
  private readonly closed: Promise<unknown>;
  private output = '';
  private stopping = false;

  /**
   * @param env the server's environment
   * @param explain the error for a server that ended by itself. @param how such as "ended with exit code 1"
   */
  constructor([command, ...args]: string[], env: NodeJS.ProcessEnv, explain: (how: string, output: string) => Error) {
    // In a session of its own: neither Ctrl-C nor the end of the worker's process group ends the watcher before the server.
    this.child = forkModule(new URL('./watcher.ts', import.meta.url), [command, ...args], {
      env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    for (const stream of [this.child.stdout!, this.child.stderr!]) {
      stream.on('data', (data) => (this.output = `${this.output}${data}`.slice(-OUTPUT_KEPT)));
    }
    const died = new AbortController();
    this.died = died.signal;
    let end: ServerEnd | undefined;
    this.child.once('message', (message) => (end = message as ServerEnd));
    this.closed = once(this.child, 'close');
    this.child.once('close', () => {
      // If the watcher was killed, the server is still there.
      this.killGroup();
      if (!this.stopping) died.abort(explain(describe(end), this.output));
    });
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
          const last = this.output.slice(-LAST_WORDS).trim();
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
    if (this.child.connected) this.child.send('stop', () => {});
    const late = setTimeout(() => this.killGroup(), STOP_SECONDS * 1000);
    await this.closed;
    clearTimeout(late);
  }

  private killGroup(): void {
    try {
      process.kill(-this.child.pid!, 'SIGKILL');
    } catch {
      // No process of the group is left.
    }
  }
}

function describe(end: ServerEnd | undefined): string {
  if (!end) return 'was killed with its watcher';
  if ('failed' in end) return `could not be started (${end.failed})`;
  if (end.signal === 'SIGKILL') return 'was killed (SIGKILL), most often because the machine ran out of memory';
  return `ended with ${end.signal ?? `exit code ${end.code}`}`;
}
