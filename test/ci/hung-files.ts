/**
 * A Vitest reporter for .ci/run that ends hung test processes. Time limits of tests are timers in the test process, so a blocked process
 * never reaches them; and Vitest waits without a time limit for the last message of a test process, which can get lost
 * (TryGhost/Ghost#29649: 2 of 10 runs). A test process older than LIMIT_MINUTES is described (its child processes, its JavaScript stack or
 * the open handles of its event loop) and killed. Its test files are written to the file SELM_TEST_HUNG; .ci/run runs them once more.
 */
import { execFile, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SerializedError } from 'vitest';
import type { Reporter, TestModule, Vitest } from 'vitest/node';
import { descendantsOf, signal } from '../faults/processes.ts';

/** The longest file takes 7 minutes; a file whose test reaches its time limit of 15 minutes ends by itself. */
const LIMIT_MINUTES = Number(process.env['SELM_TEST_HUNG_MINUTES'] ?? 20);
const POLL_MILLISECONDS = 5000;
const ANSWER_MILLISECONDS = 5000;
/** At most this long after its start, a process starts its test file. */
const NEAR_MILLISECONDS = 60_000;
/** Vitest's error for a test process that ended before its file did. */
const KILLED = '[vitest-pool]: Worker forks emitted error.';

/** The stack and open handles of a process, from the report that it writes to `folder` on SIGUSR2. Undefined: its event loop is blocked. */
async function reportOf(pid: number, folder: string): Promise<string | undefined> {
  signal(pid, 'SIGUSR2');
  await sleep(ANSWER_MILLISECONDS);
  const name = readdirSync(folder).find((file) => file.includes(`.${pid}.`));
  if (name === undefined) return undefined;
  const { javascriptStack, libuv } = JSON.parse(readFileSync(join(folder, name), 'utf8')) as Record<string, unknown>;
  return JSON.stringify({ javascriptStack, libuv });
}

/** The JavaScript stack of a blocked process, from Node's debugger. Native code that does not return has none. */
async function stackOf(pid: number): Promise<string> {
  const inspect = execFile(process.execPath, ['inspect', '-p', String(pid)], { timeout: 6 * ANSWER_MILLISECONDS });
  let output = '';
  inspect.stdout!.on('data', (text: string) => (output += text));
  const ended = once(inspect, 'close');
  for (const command of ['pause', 'bt', '.exit']) {
    await sleep(ANSWER_MILLISECONDS);
    inspect.stdin!.write(`${command}\n`);
  }
  await ended;
  return output;
}

export default class HungFiles implements Reporter {
  /** When the files began, and those that ended. */
  private readonly began = new Map<string, number>();
  private readonly ended = new Set<string>();
  /** When each test process was first seen, by its id. */
  private readonly seen = new Map<number, number>();
  private readonly killed = new Set<number>();
  private readonly hung = new Set<string>();
  private readonly reports = mkdtempSync(join(tmpdir(), 'selm-hung-'));
  private timer: NodeJS.Timeout | undefined;
  private root = '';

  onInit({ config }: Vitest): void {
    this.root = config.root;
    config.execArgv.push('--report-on-signal', `--report-directory=${this.reports}`, '--report-exclude-network');
    this.timer = setInterval(() => void this.look(), POLL_MILLISECONDS);
  }

  onTestModuleQueued({ moduleId }: TestModule): void {
    this.began.set(relative(this.root, moduleId), Date.now());
  }

  onTestModuleEnd({ moduleId }: TestModule): void {
    this.ended.add(relative(this.root, moduleId));
  }

  onTestRunEnd(_: readonly TestModule[], errors: readonly SerializedError[]): void {
    clearInterval(this.timer);
    rmSync(this.reports, { recursive: true, force: true });
    const list = process.env['SELM_TEST_HUNG'];
    // Another run of these files does not resolve other errors.
    const onlyKilled = errors.every(({ message }) => message === KILLED) && errors.length === this.killed.size;
    if (list !== undefined && onlyKilled) writeFileSync(list, [...this.hung].join('\n'));
  }

  /** The files that a process started at `start` may be running: unfinished files of that time, or all of that time if all have finished. */
  private filesOf(start: number): string[] {
    const ofItsTime = [...this.began].flatMap(([name, at]) => (Math.abs(at - start) < NEAR_MILLISECONDS ? [name] : []));
    const running = ofItsTime.filter((name) => !this.ended.has(name));
    return running.length > 0 ? running : ofItsTime;
  }

  private async look(): Promise<void> {
    const below = descendantsOf(process.pid);
    const workers = below.filter(({ parent, command }) => parent === process.pid && command.includes('forks.js'));
    for (const { pid } of workers) {
      if (!this.seen.has(pid)) this.seen.set(pid, Date.now());
      const start = this.seen.get(pid)!;
      if (Date.now() - start < LIMIT_MINUTES * 60_000 || this.killed.has(pid)) continue;
      this.killed.add(pid);
      const files = this.filesOf(start);
      for (const file of files) this.hung.add(file);
      const processes = [pid, ...descendantsOf(pid).map((child) => child.pid)].join(',');
      const state = execFileSync('ps', ['-o', 'pid,ppid,etimes,stat,wchan:24,args', '-p', processes], {
        encoding: 'utf8',
      });
      const stack = (await reportOf(pid, this.reports)) ?? (await stackOf(pid));
      console.error(`HUNG for ${LIMIT_MINUTES} minutes: ${files.join(', ')}\n${state}${stack}`);
      signal(pid, 'SIGKILL');
    }
  }
}
