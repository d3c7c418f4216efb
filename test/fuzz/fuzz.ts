/** A run of the fuzzer: cases by seed, each read in a process that is killed when it does not come back. */
import { once } from 'node:events';
import type { ChildProcess } from 'node:child_process';
import { forkModule } from '../../engine/process/fork.ts';
import type { ChildMessage, ParentMessage } from './child.ts';

export interface FuzzOptions {
  cases: number;
  /** Case i has the seed `seed` + i. */
  seed: number;
  /** One parser. Default: all, in turns. */
  only?: string;
  say?: (line: string) => void;
}

export interface Fault {
  parser: string;
  seed: number;
  fault: string;
}

export interface FuzzResult {
  parsers: string[];
  faults: Fault[];
}

/** Parsers have their own limits on CPU time. A case that exceeds this wall-clock time hangs, even on a busy machine. */
const HANG_SECONDS = 300;
/**
 * Cases of each parser before memory is measured for the first time. Until then modules are loaded and caches fill up: 70 MiB for all
 * parsers. Afterwards memory stays the same within a few MiB.
 */
const WARM_UP_PER_PARSER = 15;
const MOST_GROWTH_MEGABYTES = 32;
const PROGRESS_CASES = 1000;

/** @throws Error when there is no such parser */
export async function fuzz({ cases, seed, only, say = () => {} }: FuzzOptions): Promise<FuzzResult> {
  let reader = await Reader.start();
  const { parsers } = reader;
  if (only !== undefined && !parsers.includes(only))
    throw new Error(`There is no parser "${only}": ${parsers.join(', ')}.`);
  const chosen = only === undefined ? parsers : [only];
  const warmUp = WARM_UP_PER_PARSER * chosen.length;
  const faults: Fault[] = [];
  const record = (fault: Fault) => {
    faults.push(fault);
    say(describe(fault));
  };
  let read = 0;
  let before: number | undefined;
  try {
    for (let i = 0; i < cases; i++) {
      const current = { parser: chosen[i % chosen.length], seed: seed + i };
      const { fault, isOver } = await reader.read(current);
      if (fault !== undefined) record({ ...current, fault });
      if (isOver) {
        [reader, read, before] = [await Reader.start(), 0, undefined];
        continue;
      }
      if (++read === warmUp) before = await reader.measure();
      if ((i + 1) % PROGRESS_CASES === 0) say(`${i + 1} cases, ${faults.length} faults.`);
    }
    const growth = before === undefined ? 0 : (await reader.measure()) - before;
    if (growth > MOST_GROWTH_MEGABYTES)
      record({ parser: only ?? 'all', seed, fault: `memory grew by ${growth.toFixed(0)} MiB in ${read} cases` });
    return { parsers: chosen, faults };
  } finally {
    await reader.end();
  }
}

/** With what repeats it. */
export const describe = ({ parser, seed, fault }: Fault): string =>
  `${parser}: ${fault}\n    npm run test:fuzz -- --only ${parser} --seed ${seed} --cases 1`;

/** A process that reads cases. */
class Reader {
  readonly parsers: string[];
  private readonly child: ChildProcess;

  private constructor(child: ChildProcess, parsers: string[]) {
    this.child = child;
    this.parsers = parsers;
  }

  static async start(): Promise<Reader> {
    const child = forkModule(new URL('child.ts', import.meta.url), [], {
      env: { ...process.env, NODE_OPTIONS: '--expose-gc --max-old-space-size=1536' },
    });
    const exited = once(child, 'exit').then(() => {
      throw new Error('The process that reads the cases did not start.');
    });
    const [{ parsers }] = (await Promise.race([once(child, 'message'), exited])) as [{ parsers: string[] }];
    exited.catch(() => {});
    return new Reader(child, parsers);
  }

  /** @returns what was wrong, and whether the process has come to its end by it */
  async read(current: { parser: string; seed: number }): Promise<{ fault?: string; isOver: boolean }> {
    const answer = await this.ask({ case: current }, HANG_SECONDS * 1000);
    if (typeof answer === 'string') return { fault: answer, isOver: true };
    return { ...('fault' in answer && answer.fault !== undefined && { fault: answer.fault }), isOver: false };
  }

  async measure(): Promise<number> {
    const answer = await this.ask({ measure: true }, HANG_SECONDS * 1000);
    if (typeof answer === 'object' && 'megabytes' in answer) return answer.megabytes;
    throw new Error(`The process that reads the cases ${String(answer)}.`);
  }

  /** @returns its answer, or what became of it */
  private ask(message: ParentMessage, milliseconds: number): Promise<ChildMessage | string> {
    const { child } = this;
    return new Promise((resolve) => {
      const clock = setTimeout(() => {
        child.kill('SIGKILL');
        settle(`did not end in ${milliseconds / 1000} s`);
      }, milliseconds);
      const onMessage = (answer: ChildMessage) => settle(answer);
      const onExit = (code: number | null, signal: string | null) => settle(`ended the process (${signal ?? code})`);
      const settle = (outcome: ChildMessage | string) => {
        clearTimeout(clock);
        child.off('message', onMessage).off('exit', onExit);
        resolve(outcome);
      };
      child.on('message', onMessage).on('exit', onExit);
      child.send(message, () => {});
    });
  }

  async end(): Promise<void> {
    const { child } = this;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.disconnect();
    await exited;
  }
}
