/**
 * A reporter of Vitest for .ci/run. The time limits of tests are timers of the tests' own process: one that is blocked never reaches them,
 * and Vitest waits without end for the last message of a process, which can get lost (TryGhost/Ghost#29649 measured it in 2 of 10 runs).
 * This looks at test processes from Vitest's own: one of more than LIMIT_MINUTES is described (the processes below it, its stack or what
 * its event loop waits for) and killed. SELM_TEST_HUNG names a file for the names of its test files, which .ci/run runs once more.
 */
import { execFile, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SerializedError } from 'vitest';
import type { Reporter, TestModule, Vitest } from 'vitest/node';

/** The longest file takes 6 minutes; one whose test reaches its limit of 15 minutes ends by itself. */
const LIMIT_MINUTES = Number(process.env['SELM_TEST_HUNG_MINUTES'] ?? 20);
const POLL_MILLISECONDS = 5000;
const ANSWER_MILLISECONDS = 5000;
const LINE_KEPT = 300;
/** Between the start of a process and that of its file: it loads Vitest first. */
const NEAR_MILLISECONDS = 60_000;
/** Vitest's error for a test process that has ended by itself. */
const KILLED = '[vitest-pool]: Worker forks emitted error.';

interface Process {
  pid: number;
  parent: number;
  seconds: number;
  line: string;
}

function allProcesses(): Process[] {
  const listed = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,etimes=,stat=,wchan:24=,args='], { encoding: 'utf8' });
  return listed
    .trim()
    .split('\n')
    .map((line) => {
      const [pid, parent, seconds] = line.trim().split(/\s+/, 3).map(Number);
      return { pid, parent, seconds, line };
    });
}

const below = (pid: number, all: Process[]): Process[] =>
  all.filter(({ parent }) => parent === pid).flatMap((one) => [one, ...below(one.pid, all)]);

/** What a process's event loop waits for, from the report that it writes on SIGUSR2 into `folder`. Undefined: it is blocked. */
async function reportOf(pid: number, folder: string): Promise<string | undefined> {
  process.kill(pid, 'SIGUSR2');
  await sleep(ANSWER_MILLISECONDS);
  const name = readdirSync(folder).find((file) => file.includes(`.${pid}.`));
  if (name === undefined) return undefined;
  const { javascriptStack, libuv } = JSON.parse(readFileSync(join(folder, name), 'utf8')) as Record<string, unknown>;
  return JSON.stringify({ javascriptStack, libuv });
}

/** Where a blocked process is in JavaScript, from Node's debugger. It says nothing of native code that does not return. */
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
    // Running these files once more does not mend other errors.
    const onlyKilled = errors.every(({ message }) => message === KILLED) && errors.length === this.killed.size;
    if (list !== undefined && onlyKilled) writeFileSync(list, [...this.hung].join('\n'));
  }

  /** The files that a process of that start may have run: those of its time, without the ones that ended unless all have. */
  private filesOf(start: number): string[] {
    const ofItsTime = [...this.began].flatMap(([name, at]) => (Math.abs(at - start) < NEAR_MILLISECONDS ? [name] : []));
    const running = ofItsTime.filter((name) => !this.ended.has(name));
    return running.length > 0 ? running : ofItsTime;
  }

  private async look(): Promise<void> {
    const all = allProcesses();
    const limit = LIMIT_MINUTES * 60;
    for (const { pid, parent, seconds, line } of all) {
      if (parent !== process.pid || seconds < limit || this.killed.has(pid) || !line.includes('forks.js')) continue;
      this.killed.add(pid);
      const files = this.filesOf(Date.now() - seconds * 1000);
      for (const file of files) this.hung.add(file);
      const tree = [line, ...below(pid, all).map((one) => one.line)].map((one) => one.slice(0, LINE_KEPT)).join('\n');
      const state = (await reportOf(pid, this.reports)) ?? (await stackOf(pid));
      console.error(`HUNG for ${LIMIT_MINUTES} minutes: ${files.join(', ')}\n${tree}\n${state}`);
      process.kill(pid, 'SIGKILL');
    }
  }
}
