/** The process beside a program that a worker starts: no program is left without its worker, whenever that is killed. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../../temporary.ts';

const folder = temporaryFolder();

/** Whether a process of this group is there. */
function hasProcesses(group: number): boolean {
  try {
    process.kill(-group, 0);
    return true;
  } catch {
    return false;
  }
}

// While it loads, starts the program, or watches it: a machine decides which it is.
test.each([0, 50, 100, 200, 1000])(
  'a program whose worker is killed %i ms after its start ends',
  async (milliseconds) => {
    const started = join(folder, `started-${milliseconds}`);
    const program = ['sh', '-c', `echo $$ > '${started}'; exec sleep 100000`];
    const watcher = spawn(
      process.execPath,
      [join(process.env['SELM_TEST_PACKAGE']!, 'engine/process/watcher.js'), ...program],
      { detached: true, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] },
    );
    const exited = once(watcher, 'exit');
    await sleep(milliseconds);
    watcher.disconnect();
    await exited;
    await expect.poll(() => hasProcesses(watcher.pid!)).toBe(false);
    if (existsSync(started)) expect(existsSync(`/proc/${readFileSync(started, 'utf8').trim()}`)).toBe(false);
  },
);
