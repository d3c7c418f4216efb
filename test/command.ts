/** The `selm` command as a process of its own. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Of the package that test/build.ts has compiled; outside Vitest, of the checkout. */
const compiled = process.env['SELM_TEST_PACKAGE'];
export const entry = compiled
  ? join(compiled, 'cli/main.js')
  : fileURLToPath(new URL('../cli/selm.js', import.meta.url));

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface Running {
  process: ChildProcess;
  ended: Promise<Ended>;
}

/** Starts `selm` with `args`; its own Temporal server and home are those of `env`, no other's. */
export function startSelm(args: string[], env: Record<string, string>): Running {
  const { TEMPORAL_ADDRESS: _address, ...inherited } = process.env;
  const child = spawn(process.execPath, [entry, ...args], { env: { ...inherited, ...env } });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (data) => (stdout += data));
  child.stderr.on('data', (data) => (stderr += data));
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, stdout, stderr }));
  return { process: child, ended };
}

export const selm = (args: string[], env: Record<string, string>): Promise<Ended> => startSelm(args, env).ended;

/** The address at which a command such as `selm ui` serves. @throws Error with its stderr when it ends instead */
export const addressOf = ({ process: child, ended }: Running): Promise<string> =>
  new Promise((found, failed) => {
    child.stdout!.on('data', (data) => found(/http:\S+/.exec(String(data))![0]));
    void ended.then(({ stderr }) => failed(new Error(stderr)));
  });

/** Stops commands as an operator does, one after the other. */
export async function stopAll(commands: Running[]): Promise<void> {
  for (const { process: child, ended } of commands) {
    child.kill('SIGTERM');
    await ended;
  }
}

/** The last line of stdout, which --json makes machine-readable. */
export const summaryOf = <T>({ stdout }: Ended): T => JSON.parse(stdout.trim().split('\n').at(-1)!) as T;
