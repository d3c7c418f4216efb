/** A program under supervision: its output, its end, and the end of all processes that it has started. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { forkModule } from './fork.ts';

/** How a program ended, as the watcher reports it. */
export type ProgramEnd = { code: number | null; signal: NodeJS.Signals | null } | { failed: string };

/** Characters kept of the end of the output. The cause of a failure may be far above the last line. */
const OUTPUT_KEPT = 64 * 1024;

/** A program in a process group of its own, which a process beside it (watcher.ts) ends with this process, also if that is killed. */
export class WatchedProgram {
  /** Settled when no process of the group is left. Undefined: the watcher was killed. */
  readonly ended: Promise<ProgramEnd | undefined>;
  private readonly watcher: ChildProcess;
  private kept = '';

  /** @param onOutput receives the output as it comes, in pieces */
  constructor([command, ...args]: string[], env: NodeJS.ProcessEnv, onOutput?: (text: string) => void) {
    // In a session of its own: neither Ctrl-C nor the end of this process group ends the watcher before the program.
    this.watcher = forkModule(new URL('./watcher.ts', import.meta.url), [command, ...args], {
      env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    for (const stream of [this.watcher.stdout!, this.watcher.stderr!]) {
      stream.on('data', (data: Buffer) => {
        const text = data.toString();
        this.kept = (this.kept + text).slice(-OUTPUT_KEPT);
        onOutput?.(text);
      });
    }
    let end: ProgramEnd | undefined;
    this.watcher.once('message', (message) => (end = message as ProgramEnd));
    this.ended = once(this.watcher, 'close').then(() => {
      // If the watcher was killed, the program is still there.
      this.killGroup();
      return end;
    });
  }

  /** The end of the output. */
  get output(): string {
    return this.kept;
  }

  /** Ends the program and all processes that it has started. @param seconds the time limit for it to end after SIGTERM */
  async stop(seconds: number): Promise<void> {
    if (this.watcher.connected) this.watcher.send('stop', () => {});
    const late = setTimeout(() => this.killGroup(), seconds * 1000);
    await this.ended;
    clearTimeout(late);
  }

  private killGroup(): void {
    try {
      process.kill(-this.watcher.pid!, 'SIGKILL');
    } catch {
      // No process of the group is left.
    }
  }
}
